"""What each strategy samples, and that planning changes nothing but the cost."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from av.codec import Codec

from ingest.errors import TooLong, TooManyFrames
from ingest.media.limits import DecodeLimits
from tests import clips
from tests.clips import Encoding
from tests.media.sampled import sample
from tests.media.whole import answers_of

TWELVE_SECONDS = clips.constant_times(25, 12)
PER_FRAME = Fraction(1, 25)


def x264(**options: str) -> Encoding:
    return Encoding(codec_options={"preset": "medium", "g": "100", **options})


def x265(*params: str) -> Encoding:
    listed = ":".join(("keyint=100", "log-level=none", "pools=1", *params))
    return Encoding("libx265", codec_options={"preset": "ultrafast", "x265-params": listed})


SKIPPABLE = {
    "h264-b-frames.mp4": x264(bf="3"),
    "h264-pyramid.mkv": x264(bf="5", **{"x264-params": "b-pyramid=normal"}),
    "h264-open-gop.ts": x264(bf="3", **{"x264-params": "open-gop=1"}),
    "h264-many-references.mov": x264(bf="3", refs="5"),
    "hevc.mp4": x265("bframes=4", "b-pyramid=1"),
    "hevc.ts": x265("bframes=3"),
    "mpeg2.mpg": Encoding("mpeg2video", time_base=PER_FRAME, codec_options={"bf": "2", "g": "12"}),
    "mpeg2.ts": Encoding("mpeg2video", time_base=PER_FRAME, codec_options={"bf": "2", "g": "12"}),
    "mpeg4.avi": Encoding("mpeg4", time_base=PER_FRAME, codec_options={"bf": "2", "g": "25"}),
    "mpeg4.mp4": Encoding("mpeg4", time_base=PER_FRAME, codec_options={"bf": "2", "g": "25"}),
}
DECODED_IN_FULL = {
    "vp9.webm": Encoding("libvpx-vp9", codec_options={"deadline": "realtime", "cpu-used": "8"}),
    "av1.mkv": Encoding("libsvtav1", codec_options={"preset": "12"}),
    "hevc-layers.mp4": x265("bframes=4", "b-pyramid=1", "temporal-layers=2"),
    "interlaced.mkv": x264(bf="3", flags="+ildct+ilme"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strategies")


def clip_of(folder: Path, name: str, encoding: Encoding) -> Path:
    path = folder / name
    return path if path.exists() else clips.write_moving(path, TWELVE_SECONDS, encoding)


def needs(encoding: Encoding) -> None:
    try:
        Codec(encoding.codec, "w")
    except av.FFmpegError:
        pytest.skip(f"this FFmpeg has no {encoding.codec}")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", list(SKIPPABLE))
def test_skipping_changes_no_frame_and_no_time(folder: Path, name: str, threads: int) -> None:
    needs(SKIPPABLE[name])
    path = clip_of(folder, name, SKIPPABLE[name])
    for sampling in ("fps:1", "fps:7/3", "adaptive:0.5-4"):
        planned = answers_of(path, sampling, threads=threads)
        whole = answers_of(path, sampling, threads=threads, everything=True)
        assert planned.frames == whole.frames
        assert planned.said == whole.said
        assert planned.summary["frames_shown"] == len(TWELVE_SECONDS)
        assert planned.decoded < whole.decoded == len(TWELVE_SECONDS)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", list(DECODED_IN_FULL))
def test_where_skipping_may_be_wrong_everything_is_decoded(
    folder: Path, name: str, threads: int
) -> None:
    needs(DECODED_IN_FULL[name])
    path = clip_of(folder, name, DECODED_IN_FULL[name])
    planned = answers_of(path, "fps:1", threads=threads)
    whole = answers_of(path, "fps:1", threads=threads, everything=True)
    assert planned.frames == whole.frames
    assert planned.said == whole.said
    assert planned.decoded == whole.decoded


def test_skipping_changes_nothing_at_a_variable_rate(folder: Path) -> None:
    times, at = [], Fraction(0)
    for index in range(400):
        times.append(at)
        at += Fraction(700 if index % 50 == 49 else 20 + 13 * (index % 5), 1000)
    path = clips.write_moving(folder / "variable.mkv", times, x264(bf="4"))
    for sampling in ("fps:1", "fps:5"):
        planned, whole = (answers_of(path, sampling, everything=e) for e in (False, True))
        assert planned.frames == whole.frames
        assert planned.said == whole.said
        assert planned.decoded < whole.decoded


@pytest.mark.parametrize("change", ["joined", "damaged", "truncated", "wrapped"])
def test_skipping_changes_nothing_in_files_that_are_not_whole(folder: Path, change: str) -> None:
    path = folder / f"{change}.ts"
    start_s = Fraction(2**33, 90_000) - 6 if change == "wrapped" else Fraction(0)
    times = [start_s + time for time in TWELVE_SECONDS]
    encoding = Encoding(codec_options={"preset": "medium", "g": "50"}, time_base=Fraction(1, 90000))
    clips.write_moving(path, times, encoding)
    if change == "joined":
        path.write_bytes(path.read_bytes() * 2)
    elif change == "damaged":
        clips.damage(path, 0.50, 0.52)
    elif change == "truncated":
        clips.truncate(path, 0.7)
    planned, whole = (answers_of(path, "fps:2", everything=e) for e in (False, True))
    assert planned.frames == whole.frames
    assert planned.said == whole.said
    assert planned.decoded < whole.decoded


@pytest.mark.parametrize("sampling", ["fps:1,fast", "fps:1/2,fast", "fps:6,fast", "fps:20,fast"])
@pytest.mark.parametrize("name", ["h264-pyramid.mkv", "mpeg2.ts", "vp9.webm"])
def test_fast_samples_are_near_their_instants(folder: Path, name: str, sampling: str) -> None:
    encoding = {**SKIPPABLE, **DECODED_IN_FULL}[name]
    needs(encoding)
    path = clip_of(folder, name, encoding)
    rate = Fraction(sampling[4:-5])
    exact = answers_of(path, sampling.removesuffix(",fast"))
    fast = answers_of(path, sampling)
    assert len(fast.frames) <= len(exact.frames) + 1
    assert fast.times_us[0] == 0
    assert fast.times_us == sorted(set(fast.times_us))
    # Where nothing is planned, it is the next frame.
    next_us = Fraction(41_000)
    half_step_us = min(1 / rate, Fraction(1)) * 500_000
    reach_us = next_us if name == "vp9.webm" else max(next_us, half_step_us + 1)
    for index in range(len(exact.frames) - 1):
        instant_us = index / rate * 1_000_000
        assert min(abs(time - instant_us) for time in fast.times_us) <= reach_us
    assert fast.decoded <= exact.decoded
    assert fast.summary["duration_us"] == exact.summary["duration_us"]


def test_fast_takes_the_next_frame_where_none_is_near(folder: Path) -> None:
    stamps_ms = [*range(0, 6000, 40), *range(9300, 15_000, 40)]
    times = [Fraction(stamp, 1000) for stamp in stamps_ms]
    path = clips.write_moving(folder / "gap.mkv", times, x264(bf="3"))
    fast = [time // 1000 for time in answers_of(path, "fps:1,fast").times_us]
    assert 9300 in fast
    assert not [time for time in fast if 6000 < time < 9300]
    for instant in (1000, 2000, 3000, 4000, 5000, 10_000, 11_000, 12_000, 13_000, 14_000):
        assert min(abs(time - instant) for time in fast) <= 500


@pytest.mark.parametrize("sampling", ["fps:2", "fps:2,fast", "keyframes", "shots:2", "adaptive"])
@pytest.mark.parametrize("kind", ["constant", "variable", "wrapped"])
def test_each_sample_has_the_time_that_is_written_in_its_picture(
    tmp_path: Path, sampling: str, kind: str
) -> None:
    times = clips.constant_times(25, 8)
    if kind == "variable":
        times = [
            sum((Fraction(20 + 17 * (i % 7), 1000) for i in range(n)), Fraction(0))
            for n in range(120)
        ]
    if kind == "wrapped":
        times = [Fraction(2**33, 90_000) - 3 + time for time in times]
    encoding = Encoding(
        time_base=Fraction(1, 90_000), codec_options={"preset": "veryfast", "g": "40", "bf": "3"}
    )
    suffix = "mkv" if kind == "variable" else "ts"
    path = clips.write_timed(tmp_path / f"clip.{suffix}", times, encoding)
    sampled = sample(path, sampling)
    assert len(sampled.frames) >= 3 or sampling == "shots:2"
    assert sampled.times_ms == sorted(set(sampled.times_ms))
    for frame in sampled.frames:
        if len(frame.pictures):
            assert abs(frame.pts_us / 1000 - clips.read_time_code(frame.pictures[0])) <= 20
    assert not sampled.summary.partial


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["h264-b-frames.mp4", "h264-open-gop.ts", "hevc.mp4", "vp9.webm"])
def test_keyframes_are_all_there_and_nothing_else_is_decoded(
    folder: Path, name: str, threads: int
) -> None:
    encoding = {**SKIPPABLE, **DECODED_IN_FULL}[name]
    needs(encoding)
    path = clip_of(folder, name, encoding)
    with av.open(str(path)) as container:
        shown = list(container.decode(video=0))
        keys = [frame.time - shown[0].time for frame in shown if frame.key_frame]
    answers = answers_of(path, "keyframes", threads=threads)
    assert answers.times_us == [round(key * 1_000_000) for key in keys]
    assert answers.treatments.count("alone") == len(keys) - 1
    assert answers.decoded < 40
    assert answers.summary["frames_shown"] == len(TWELVE_SECONDS)
    assert answers.summary["duration_us"] == pytest.approx(12_000_000, abs=80_000)


def test_of_nothing_but_keyframes_two_a_second_are_taken(folder: Path) -> None:
    encoding = Encoding("mjpeg", "yuvj420p", codec_options={})
    path = clips.write_moving(folder / "all-keys.mkv", TWELVE_SECONDS, encoding)
    answers = answers_of(path, "keyframes")
    assert 22 <= len(answers.frames) <= 24
    steps = [b - a for a, b in zip(answers.times_us, answers.times_us[1:], strict=False)]
    assert min(steps) >= 500_000
    assert answers.decoded < 60


def test_keyframe_flags_that_lie_are_found_out_and_everything_is_decoded(folder: Path) -> None:
    honest = clip_of(folder, "mpeg4.mp4", SKIPPABLE["mpeg4.mp4"])
    path = folder / "lying.mp4"
    # Without its table of key frames, an MP4 says that every frame is one.
    path.write_bytes(honest.read_bytes().replace(b"stss", b"free"))
    answers = answers_of(path, "keyframes")
    with av.open(str(honest)) as container:
        keys = [f.pts for f in container.decode(video=0) if f.key_frame]
    assert 2 <= len(answers.frames) <= len(keys)
    if answers.treatments.count("alone") < len(answers.treatments) / 2:
        return
    assert any("media.no_keyframes" in text for text in answers.summary["warnings"])


def test_a_video_without_keyframes_but_the_first_gives_that_and_a_warning(folder: Path) -> None:
    encoding = Encoding(codec_options={"preset": "ultrafast", "g": "9999", "sc_threshold": "0"})
    path = clips.write_moving(folder / "one-key.mp4", clips.constant_times(10, 40), encoding)
    answers = answers_of(path, "keyframes")
    assert answers.times_us == [0]
    assert answers.summary["duration_us"] == pytest.approx(40_000_000, abs=100_000)
    assert any("media.no_keyframes" in text for text in answers.summary["warnings"])


def test_two_keyframes_far_apart_give_a_warning_that_names_the_stretch(folder: Path) -> None:
    times = clips.constant_times(10, 40)
    # The encoder sees one cut, so late that nothing is left of the video but half a second.
    params = "keyint=9999:min-keyint=1:scenecut=40:bframes=0:rc-lookahead=0"
    before, after = clips.plain(clips.RED, 192, 112), clips.moving(0)
    pictures = [(time, before if time < Fraction(79, 2) else after) for time in times]
    encoding = Encoding(codec_options={"preset": "veryfast", "x264-params": params})
    path = clips.write_clip(folder / "two-keys.mp4", pictures, encoding)
    answers = answers_of(path, "keyframes")
    assert answers.times_us == [0, 39_500_000]
    (warning,) = answers.summary["warnings"]
    assert warning.startswith("media.no_keyframes: none between 0.000 s and 39.500 s")


def test_keyframes_close_enough_give_no_warning(folder: Path) -> None:
    options = {"preset": "ultrafast", "g": "250", "sc_threshold": "0"}
    times = clips.constant_times(10, 40)
    path = clips.write_moving(folder / "slow-keys.mp4", times, Encoding(codec_options=options))
    answers = answers_of(path, "keyframes")
    assert answers.times_us == [0, 25_000_000]
    assert answers.summary["warnings"] == []


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_video_that_is_refreshed_without_keyframes_is_seen_all_the_same(
    folder: Path, suffix: str
) -> None:
    params = "intra-refresh=1:keyint=10:scenecut=0:bframes=0"
    encoding = Encoding(codec_options={"preset": "ultrafast", "x264-params": params})
    times = clips.constant_times(10, 40)
    path = clips.write_moving(folder / f"refreshed.{suffix}", times, encoding)
    answers = answers_of(path, "keyframes")
    times_us = [*answers.times_us, 40_000_000]
    assert len(times_us) >= 6
    steps = [b - a for a, b in pairwise(times_us)]
    assert max(steps[1:]) <= 5_100_000
    assert max(steps) < 20_000_000


@pytest.mark.parametrize("name", ["hevc.mp4", "hevc.ts", "h264-open-gop.ts"])
def test_keyframes_of_open_groups_are_shown_in_order(folder: Path, name: str) -> None:
    needs(SKIPPABLE[name])
    answers = answers_of(clip_of(folder, name, SKIPPABLE[name]), "keyframes")
    assert len(answers.frames) == 3
    assert answers.summary["warnings"] == []


def test_limits_of_length_and_of_samples_end_the_decoding(folder: Path) -> None:
    path = clip_of(folder, "h264-b-frames.mp4", SKIPPABLE["h264-b-frames.mp4"])
    with pytest.raises(TooLong):
        answers_of(path, "fps:1", limits=DecodeLimits(max_duration_s=5))
    with pytest.raises(TooManyFrames):
        answers_of(path, "fps:2", limits=DecodeLimits(max_frames=10))
    assert answers_of(path, "fps:1", limits=DecodeLimits(max_duration_s=12, max_frames=12)).frames
