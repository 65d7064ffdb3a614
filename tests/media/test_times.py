"""Times and lengths that files hide, lie about or lose, through the real decoding process."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests import clips
from tests.clips import Encoding
from tests.media.sampled import sample

GOP_25 = {"preset": "veryfast", "g": "25", "bf": "2"}
LIVE = Encoding(codec_options=GOP_25, container_options={"live": "1"})
FRAGMENTED = Encoding(
    codec_options=GOP_25, container_options={"movflags": "frag_keyframe+empty_moov"}
)
FIVE_HOURS_S = 5 * 3600


@pytest.mark.parametrize(("suffix", "encoding"), [("mkv", LIVE), ("mp4", FRAGMENTED)])
@pytest.mark.parametrize(
    ("sampling", "frames"), [("fps:2", 20), ("adaptive:1-4", 40), ("keyframes", 10), ("shots:2", 6)]
)
def test_frames_are_estimated_where_the_header_has_no_length(
    tmp_path: Path, suffix: str, encoding: Encoding, sampling: str, frames: int
) -> None:
    path = clips.write_timed(tmp_path / f"c.{suffix}", clips.constant_times(25, 10), encoding)
    sampled = sample(path, sampling)
    assert sampled.facts.estimated_duration_us == pytest.approx(10_000_000, abs=100_000)
    assert sampled.facts.estimated_frames is not None
    assert abs(sampled.facts.estimated_frames - frames) <= 1
    assert sampled.summary.frames_shown == 250
    for frame in sampled.frames:
        if len(frame.pictures):
            assert abs(frame.pts_us / 1000 - clips.read_time_code(frame.pictures[0])) <= 20


def test_keyframes_are_counted_in_the_index(tmp_path: Path) -> None:
    path = clips.write_timed(
        tmp_path / "c.mp4", clips.constant_times(25, 10), Encoding(codec_options=GOP_25)
    )
    sampled = sample(path, "keyframes")
    assert sampled.facts.estimated_frames == len(sampled.frames) >= 10


def gap_of_hours() -> list[Fraction]:
    minute = clips.constant_times(25, 4)
    return [*minute, *(FIVE_HOURS_S + time for time in minute)]


def write_gap(path: Path, encoding: Encoding) -> Path:
    frames = ((time, clips.moving(index)) for index, time in enumerate(gap_of_hours()))
    return clips.write_clip(path, frames, encoding)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_gap_that_the_header_knows_of_stays(tmp_path: Path, suffix: str) -> None:
    sampled = sample(write_gap(tmp_path / f"c.{suffix}", Encoding(codec_options=GOP_25)), "fps:1")
    assert sampled.times_ms[:4] == [0, 1000, 2000, 3000]
    assert sampled.times_ms[4:] == [FIVE_HOURS_S * 1000 + second * 1000 for second in range(4)]
    assert sampled.summary.warnings == ()


def test_a_jump_of_hours_that_nothing_proves_is_taken_for_a_joined_recording(
    tmp_path: Path,
) -> None:
    sampled = sample(write_gap(tmp_path / "c.mkv", LIVE), "fps:1")
    assert sampled.times_ms == [second * 1000 for second in range(8)]
    assert any("media.times_jump_ahead: 1 time" in text for text in sampled.summary.warnings)


def test_minutes_without_a_frame_stay_without_proof(tmp_path: Path) -> None:
    times = [*clips.constant_times(25, 4), *clips.constant_times(25, 4, start_s=300)]
    path = clips.write_timed(tmp_path / "c.mkv", times, LIVE)
    sampled = sample(path, "fps:1")
    assert sampled.times_ms == [*range(0, 4000, 1000), *range(300_000, 304_000, 1000)]
    assert sampled.summary.warnings == ()


@pytest.mark.parametrize("sampling", ["fps:5", "fps:2,fast", "keyframes", "shots:3", "adaptive"])
def test_frames_before_an_edit_list_are_not_shown(tmp_path: Path, sampling: str) -> None:
    encoding = Encoding(
        time_base=Fraction(1, 12_800),
        codec_options={**GOP_25, "g": "100"},
        container_options={"avoid_negative_ts": "disabled"},
    )
    times = [time - Fraction(6, 5) for time in clips.constant_times(25, 10)]
    path = clips.write_timed(tmp_path / "c.mp4", times, encoding)
    with av.open(str(path)) as container:
        discarded = sum(packet.is_discard for packet in container.demux(video=0))
    assert discarded >= 25, "the file must have an edit list"
    sampled = sample(path, sampling)
    codes = [
        clips.read_time_code(frame.pictures[0]) for frame in sampled.frames if len(frame.pictures)
    ]
    times_ms = [frame.pts_us / 1000 for frame in sampled.frames if len(frame.pictures)]
    assert sampled.summary.duration_us == pytest.approx(8_800_000, abs=80_000)
    for code, time_ms in zip(codes, times_ms, strict=True):
        assert abs(code - 1200 - time_ms) <= 20


def test_a_damaged_file_says_where_and_what_was_analysed(tmp_path: Path) -> None:
    encoding = Encoding(codec_options={"preset": "ultrafast", "g": "30"})
    path = clips.write_timed(tmp_path / "c.mkv", clips.constant_times(25, 10), encoding)
    summary = sample(clips.damage(path, 0.40, 0.45)).summary
    (text,) = [text for text in summary.warnings if text.startswith("media.damaged: ")]
    places = re.search(r"the first at ([0-9.]+) s, the last at ([0-9.]+) s", text)
    assert places is not None
    assert 3 <= float(places[1]) <= float(places[2]) <= 5
    assert "from 0.000 s to 10.000 s, was analysed" in text


def test_a_truncated_file_says_which_part_was_analysed(tmp_path: Path) -> None:
    path = clips.write_timed(tmp_path / "c.mkv", clips.constant_times(25, 10))
    sampled = sample(clips.truncate(path, 0.5))
    end_s = sampled.summary.duration_us / 1_000_000
    (text,) = [t for t in sampled.summary.warnings if t.startswith("media.truncated: ")]
    assert f"the part from 0.000 s to {end_s:.3f} s was analysed" in text
    assert "the header says 10.000 s" in text


def test_sound_that_goes_on_longer_is_no_truncation(tmp_path: Path) -> None:
    path = tmp_path / "c.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        packets = []
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(clips.time_code(index * 40), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            packets += stream.encode(frame)
        clips.add_tone(container, 8.0)
        container.mux([*packets, *stream.encode()])
    sampled = sample(path)
    assert sampled.summary.duration_us == 2_000_000
    assert not sampled.summary.partial
    assert sampled.facts.estimated_frames == 4
