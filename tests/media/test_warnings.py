"""Warnings: what is missing from a result is said, of whole files nothing, and all are listed."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from ingest.errors import MediaUnreadable, TooManyStreams
from ingest.media.limits import DecodeLimits
from ingest.media.segment import segment_fault
from tests import clips
from tests.clips import Encoding
from tests.media.sampled import Sampled, sample
from tests.media.zoo.matroska import CLUSTER, UNKNOWN_SIZE, VOID, Block, Matroska, element
from tests.media.zoo.packets import vp8_packets

ROOT = Path(__file__).parents[2]
QUICK = Encoding(codec_options={"preset": "ultrafast", "g": "25"})


def test_the_list_of_warnings_is_complete() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "ingest" / "media").glob("*.py"))
    given = set(re.findall(r'"(media\.[a-z_]+): ', sources))
    text = (ROOT / "docs" / "errors.md").read_text()
    listed = re.findall(r"^\| [^|]+ \| `(media\.[a-z_]+)` \| [^|]+\. \|$", text, re.M)
    assert sorted(given) == sorted(listed)
    assert len(given) > 8


def warned(sampled: Sampled) -> list[str]:
    return [warning.partition(":")[0] for warning in sampled.summary.warnings]


def write_videos(path: Path, lengths_s: list[int], sizes: tuple[int, ...] = (320, 160)) -> Path:
    """A file of several videos, interleaved."""
    with av.open(str(path), "w") as container:
        streams = []
        for size in sizes:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width = stream.height = size
            streams.append(stream)
        for index in range(25 * max(lengths_s)):
            for stream, length_s in zip(streams, lengths_s, strict=True):
                if index < 25 * length_s:
                    picture = clips.plain(clips.RED, stream.width, stream.height)
                    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                    frame.pts, frame.time_base = index, Fraction(1, 25)
                    container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts"])
@pytest.mark.parametrize("lengths_s", [[3, 3], [2, 5]])
def test_a_second_video_is_named_and_no_loss(
    tmp_path: Path, suffix: str, lengths_s: list[int]
) -> None:
    sampled = sample(write_videos(tmp_path / f"clip.{suffix}", lengths_s))
    assert "media.other_streams: 1 further video stream not looked at." in sampled.summary.warnings
    assert not sampled.summary.partial
    assert sampled.summary.duration_us == pytest.approx(lengths_s[0] * 1_000_000, abs=80_000)


def renumbered(data: bytes, first_pid: int) -> bytes:
    """The same transport stream under other packet identifiers."""
    out = io.BytesIO()
    with (
        av.open(io.BytesIO(data), "r") as source,
        av.open(out, "w", "mpegts", options={"mpegts_start_pid": str(first_pid)}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return out.getvalue()


@pytest.mark.parametrize("first_s", [2, 40])
def test_what_goes_on_under_another_number_makes_a_result_partial(
    tmp_path: Path, first_s: int
) -> None:
    first = clips.write_timed(tmp_path / "a.ts", clips.constant_times(25, first_s), QUICK)
    # Another copy of ours after it: FFmpeg looks for streams at both ends of a file.
    path = tmp_path / "clip.ts"
    second = renumbered(first.read_bytes(), 400)
    path.write_bytes(first.read_bytes() + second + first.read_bytes() * (first_s > 2))
    sampled = sample(path, "fps:1")
    assert sampled.summary.partial
    assert "media.other_streams" in warned(sampled)


def test_streams_that_appear_on_the_way_end_no_decoding(tmp_path: Path) -> None:
    """PyAV's last, empty packets stumble over them."""
    first = clips.write_timed(tmp_path / "a.ts", clips.constant_times(25, 20), QUICK).read_bytes()
    others = b"".join(renumbered(first, 400 + 10 * number) for number in range(20))
    path = tmp_path / "clip.ts"
    path.write_bytes(first + others + first)
    sampled = sample(path, "keyframes")
    assert "media.times_jump_back" in warned(sampled)
    assert "media.other_streams: 20 further video streams not looked at. What" in " ".join(
        sampled.summary.warnings
    )
    with pytest.raises(TooManyStreams, match=r"21 streams in it are over the limit of 10"):
        sample(path, "keyframes", limits=DecodeLimits(max_streams=10))


STEPS = tuple(range(0, 3_000, 40))


def by_hand(**changes: object) -> bytes:
    packets = vp8_packets(STEPS)
    blocks = [Block(time, one.data, one.keyframe) for time, one in zip(STEPS, packets, strict=True)]
    return replace(Matroska(blocks), **changes).written()  # type: ignore[arg-type]


def fault_of(path: Path, data: bytes) -> str | None:
    path.write_bytes(data)
    with path.open("rb") as file:
        return segment_fault(file.fileno())


def without_size(data: bytes) -> bytes:
    """The same file, whose segment doesn't say how long it is."""
    at = data.index(b"\x18\x53\x80\x67") + 4
    return data[:at] + UNKNOWN_SIZE + data[at + 8 :]


def zeroed(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(500) + data[middle + 500 :]


def test_whole_matroska_files_have_no_fault(tmp_path: Path) -> None:
    path, data = tmp_path / "clip.mkv", by_hand()
    padding = element(VOID, bytes(10_000))
    good = {
        "as written": data,
        "clusters of unknown size": by_hand(cluster_size=UNKNOWN_SIZE),
        "segment of unknown size": without_size(data),
        "nothing of known size": without_size(by_hand(cluster_size=UNKNOWN_SIZE)),
        "void before the clusters": by_hand(more=padding),
        "something behind": data + b"\xff" * 5_000,
        "zeros behind": without_size(data) + bytes(5_000),
        "twice": data + data,
    }
    assert {name: fault_of(path, content) for name, content in good.items()} == dict.fromkeys(good)


def test_faults_of_matroska_files_are_found(tmp_path: Path) -> None:
    path, data = tmp_path / "clip.mkv", by_hand()
    last = data.rindex(CLUSTER.to_bytes(4))
    assert fault_of(path, data[:-1]) == "truncated"
    assert fault_of(path, data[:last]) == "truncated"
    assert fault_of(path, without_size(data)[:-1]) == "truncated"
    assert fault_of(path, zeroed(data)) == "damaged"
    assert fault_of(path, zeroed(without_size(data))) == "damaged"
    assert fault_of(path, b"no Matroska at all") is None


@pytest.mark.parametrize("suffix", ["mkv", "webm"])
@pytest.mark.parametrize("options", [{}, {"live": "1"}, {"reserve_index_space": "5000"}])
def test_matroska_as_ffmpeg_writes_it_has_no_warnings(
    tmp_path: Path, suffix: str, options: dict[str, str]
) -> None:
    codec = "libvpx" if suffix == "webm" else "libx264"
    encoding = Encoding(codec, codec_options={}, container_options=options)
    path = clips.write_timed(tmp_path / f"c.{suffix}", clips.constant_times(25, 3), encoding)
    assert sample(path).summary.warnings == ()


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("avi", "mpeg4"), ("mpg", "mpeg2video"), ("ts", "mpeg2video"), ("mkv", "mpeg1video")],
)
@pytest.mark.parametrize("sampling", ["fps:2", "fps:2,fast", "keyframes"])
def test_whole_files_of_codecs_that_conceal_have_no_warnings(
    tmp_path: Path, suffix: str, codec: str, sampling: str
) -> None:
    encoding = Encoding(codec, time_base=Fraction(1, 25), codec_options={"bf": "2", "g": "24"})
    path = clips.write_timed(tmp_path / f"c.{suffix}", clips.constant_times(25, 3), encoding)
    assert "media.damaged" not in warned(sample(path, sampling))
    assert not sample(path, sampling).summary.partial


def test_an_encrypted_video_is_called_so(tmp_path: Path) -> None:
    path = clips.write_timed(tmp_path / "clip.mp4", clips.constant_times(25, 1), QUICK)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"encv"))
    with pytest.raises(MediaUnreadable, match=r"its video is encrypted\. Decrypt it first"):
        sample(path)


def test_one_damaged_time_does_not_make_a_video_too_long(tmp_path: Path) -> None:
    """Times that leap over the limit, in a file that has no header to know of it."""
    times_s = clips.constant_times(25, 3)
    first = clips.write_timed(tmp_path / "a.ts", times_s, QUICK).read_bytes()
    late_s = [Fraction(30) + time for time in times_s]
    late = clips.write_timed(tmp_path / "b.ts", late_s, QUICK).read_bytes()
    path = tmp_path / "clip.ts"
    path.write_bytes(first + late + first)
    sampled = sample(path, limits=DecodeLimits(max_duration_s=10))
    assert sampled.summary.duration_us == pytest.approx(9_000_000, abs=200_000)
    assert sampled.summary.partial
    assert set(warned(sampled)) == {"media.times_jump_ahead", "media.times_jump_back"}
