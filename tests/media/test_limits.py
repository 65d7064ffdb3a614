"""What one file may cost: every limit has its code, its figure, and the option that raises it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ingest.errors import (
    DecoderOutOfMemory,
    DecodingTimedOut,
    MediaError,
    TooLong,
    TooManyBytes,
    TooManyFrames,
    TooManyPixels,
    TooManyStreams,
)
from ingest.media.decoder import decode
from ingest.media.limits import DecodeLimits
from ingest.media.refusals import out_of_memory, stalled, too_much_cpu, too_slow
from ingest.media.spec import SamplingSpec
from ingest.media.wire import DecodeRequest
from tests import clips
from tests.media.sampled import CENTRE, sample

MEBIBYTE = 1024**2


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of 320x240 at 25 frames a second."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return clips.write_timed(path, clips.constant_times(25, 10))


@pytest.fixture(scope="module")
def slow_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An honest video that takes its decoder seconds: noise in Full HD."""
    noise = np.random.default_rng(1).integers(0, 255, (1080, 1920, 3), np.uint8)

    def pictures() -> Iterator[tuple[Fraction, clips.Picture]]:
        for index in range(60):
            yield Fraction(index, 25), np.roll(noise, index * 64, axis=1)

    return clips.write_clip(tmp_path_factory.mktemp("clips") / "slow.mp4", pictures())


@pytest.mark.parametrize(
    ("limits", "error", "name"),
    [
        (DecodeLimits(max_bytes=1000), TooManyBytes, "bytes"),
        (DecodeLimits(max_duration_s=9), TooLong, "duration"),
        (DecodeLimits(max_pixels=320 * 240 - 1), TooManyPixels, "pixels"),
        (DecodeLimits(max_frames=19), TooManyFrames, "frames"),
    ],
)
def test_a_limit_ends_a_file_with_its_own_code_and_the_option_that_raises_it(
    clip: Path, limits: DecodeLimits, error: type[MediaError], name: str
) -> None:
    with pytest.raises(error) as caught:
        sample(clip, limits=limits)
    assert caught.value.code == error.code
    assert "limit of" in caught.value.message
    assert f"--limit {name}=" in caught.value.cure


def test_a_file_exactly_at_its_limits_is_decoded(clip: Path) -> None:
    limits = DecodeLimits(
        max_bytes=clip.stat().st_size,
        max_duration_s=10,
        max_pixels=320 * 240,
        max_frames=20,
        max_streams=1,
    )
    sampled = sample(clip, limits=limits)
    assert len(sampled.frames) == 20
    assert not sampled.summary.partial


def test_streams_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "many.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=25) for _ in range(5)]
        for stream in streams:
            stream.width, stream.height = 64, 64
        for stream in streams:
            frame = av.VideoFrame.from_ndarray(clips.plain(clips.RED, 64, 64), format="rgb24")
            frame.pts = 0
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
            container.mux(stream.encode())
    with pytest.raises(TooManyStreams, match="5 streams") as caught:
        sample(path, limits=DecodeLimits(max_streams=4))
    assert "--limit streams=" in caught.value.cure
    assert sample(path, limits=DecodeLimits(max_streams=5)).frames


def test_too_much_processor_time_is_told_by_its_name(slow_clip: Path) -> None:
    with pytest.raises(DecodingTimedOut, match=r"processor time than the limit of 1 s") as caught:
        sample(slow_clip, "fps:25", limits=DecodeLimits(cpu_s=1))
    assert caught.value.code == "media.decoding_timed_out"
    assert "--limit cpu=" in caught.value.cure


def test_the_whole_of_a_file_has_a_limit_too(slow_clip: Path) -> None:
    with pytest.raises(DecodingTimedOut, match=r"longer than the limit of 0\.7 s") as caught:
        sample(slow_clip, "fps:25", limits=DecodeLimits(wall_s=0.7))
    assert caught.value.code == "media.decoding_timed_out"
    assert "--limit time=" in caught.value.cure


def test_time_that_the_caller_takes_does_not_count(clip: Path) -> None:
    limits = DecodeLimits(wall_s=30, stall_timeout_s=20)
    with decode(clip, SamplingSpec.parse("fps:25"), CENTRE, limits=limits) as session:
        began_s = time.monotonic()
        frames = iter(session)
        next(frames)
        channel = session._channel
        assert channel is not None
        before_s = channel._waited_s
        time.sleep(1.5)
        assert sum(1 for _ in frames) == 249
        waited_s = channel._waited_s - before_s
        assert waited_s < time.monotonic() - began_s - 1.5


def test_a_bomb_of_growing_pictures_stays_under_the_memory_limit(tmp_path: Path) -> None:
    parts = [
        clips.write_scenes(tmp_path / "a.ts", [(clips.RED, 2.0)]),
        clips.write_scenes(tmp_path / "b.ts", [(clips.BLUE, 0.2)], width=8000, height=4000),
    ]
    path = tmp_path / "clip.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    limits = DecodeLimits(memory_bytes=320 * MEBIBYTE)
    peaks_kib: list[int] = []
    with pytest.raises(DecoderOutOfMemory) as caught:
        _watch_memory(path, limits, peaks_kib)
    assert caught.value.code == "media.out_of_memory"
    assert 0 < max(peaks_kib) <= 320 * 1024
    assert sample(path).summary.frames_shown > 50, "with more memory it is decoded"


def _watch_memory(path: Path, limits: DecodeLimits, peaks_kib: list[int]) -> None:
    with decode(path, SamplingSpec.parse("fps:25"), CENTRE, limits=limits) as session:
        for _ in session:
            peaks_kib.append(_peak_address_space_kib(session.child_pid))


def _peak_address_space_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmPeak:\s+(\d+) kB", status)
    return int(match[1]) if match else 0


def test_room_is_what_the_kernel_says_it_is() -> None:
    limits = DecodeLimits()
    assert limits.leave_room_for(0)
    assert limits.leave_room_for(1000)
    assert not limits.leave_room_for(2**62)


@pytest.mark.parametrize(
    ("limits", "spelled"),
    [(DecodeLimits(wall_s=7200), "2 h"), (DecodeLimits(wall_s=90), "90 s")],
)
def test_lengths_of_time_are_spelled_in_whole_units(limits: DecodeLimits, spelled: str) -> None:
    assert f"limit of {spelled}." in too_slow("clip.mp4", limits).message


def test_every_cure_of_a_limit_names_its_option() -> None:
    limits = DecodeLimits()
    request = DecodeRequest("/a", "a", SamplingSpec.parse("fps:2"), CENTRE, limits)
    assert "--limit memory=" in out_of_memory(request).cure
    assert "--limit stall=" in stalled("a", limits).cure
    assert "--limit cpu=" in too_much_cpu("a", limits).cure
