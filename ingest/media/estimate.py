"""How long a video probably is, how many key frames and frames a second, before it is decoded.

For progress bars and timecodes only: nothing is planned, allocated or refused by it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from ingest.errors import MediaError

_MICROSECONDS = 1_000_000
_LONGEST_BELIEVED_US = 30 * 24 * 3600 * _MICROSECONDS
"""A month: headers that say more are damaged, and no estimate is made from them."""
_LEAST_BYTES_PER_HOUR = 1024
"""A file of fewer is no video of that length, whatever its header says."""
_MAX_INDEX_ENTRIES = 200_000
_COVERED = 0.8
"""An index that ends before this part of the video is one of the beginning only."""
_LOOK_S = 1.0
_NEAR = 0.05
_HIGHEST_BELIEVED_RATE = 960
"""Of slow motion; where a header gives more, it is the time base that passes for a rate."""


@dataclass(frozen=True)
class Estimate:
    """Duration in microseconds and number of key frames; None where nothing tells."""

    duration_us: int | None
    keyframes: int | None


def estimate(
    container: InputContainer,
    stream: VideoStream,
    reopen: Callable[[], AbstractContextManager[InputContainer]] | None,
) -> Estimate:
    """Ask the header and the index; where the header is silent, look at packets for a second.

    That look is at a second container, so that the first one's position stays; there is none
    where that can't be had.
    """
    duration_us = _header_duration_us(container, stream)
    if duration_us is not None:
        return Estimate(duration_us, _indexed_keyframes(stream, duration_us))
    if reopen is None:
        return Estimate(None, None)
    try:
        with reopen() as second:
            return _look_at_packets(second, stream.index)
    except (av.FFmpegError, MediaError) as error:
        if isinstance(error, MemoryError):
            raise
        return Estimate(None, None)


def frame_rate(container: InputContainer, stream: VideoStream) -> str | None:
    """The average frames per second, such as `30000/1001`; None for stills and where none is told.

    Near it, FFmpeg's guess of the nominal rate is taken instead: how long the last frame of a short
    video is shown makes an average of 29.9 of 30.
    """
    is_still = container.format.name.endswith("_pipe") or stream.frames == 1
    average, nominal = stream.average_rate, stream.guessed_rate
    rate = average or nominal
    if average and nominal and abs(nominal / average - 1) < _NEAR:
        rate = nominal
    if is_still or not rate or not 0 < rate <= _HIGHEST_BELIEVED_RATE:
        return None
    return f"{rate.numerator}/{rate.denominator}"


def _header_duration_us(container: InputContainer, stream: VideoStream) -> int | None:
    if stream.duration and stream.time_base:
        duration_us = round(stream.duration * stream.time_base * _MICROSECONDS)
    else:
        duration_us = container.duration or 0
    hours = duration_us / 3600 / _MICROSECONDS
    is_believable = 0 < duration_us < _LONGEST_BELIEVED_US
    return (
        duration_us if is_believable and container.size >= hours * _LEAST_BYTES_PER_HOUR else None
    )


def _indexed_keyframes(stream: VideoStream, duration_us: int) -> int | None:
    index = stream.index_entries
    entries = len(index)
    if not 0 < entries <= _MAX_INDEX_ENTRIES or not stream.time_base:
        return None
    covered_us = (index[-1].timestamp - index[0].timestamp) * stream.time_base * _MICROSECONDS
    if entries > 1 and covered_us < _COVERED * duration_us:
        return None
    return sum(entry.is_keyframe for entry in index)


def _look_at_packets(container: InputContainer, stream_index: int) -> Estimate:
    """Count packets for a second; what is left of the file is taken to be like that part."""
    stream = container.streams[stream_index]
    deadline_s = time.monotonic() + _LOOK_S
    first = last = position = keyframes = 0
    packets = 0
    part = 1.0
    for packet in container.demux(stream):
        if packet.pts is None:
            continue
        first = packet.pts if packets == 0 else min(first, packet.pts)
        last = max(last, packet.pts + (packet.duration or 0)) if packets else packet.pts
        packets += 1
        keyframes += packet.is_keyframe
        position = max(position, packet.pos or 0)
        if time.monotonic() > deadline_s:
            part = min(1.0, position / container.size) if position else 1.0
            break
    if not packets or not stream.time_base or part == 0:
        return Estimate(None, None)
    duration_us = round((last - first) * stream.time_base / part * _MICROSECONDS)
    if not 0 < duration_us < _LONGEST_BELIEVED_US:
        return Estimate(None, None)
    return Estimate(duration_us, round(keyframes / part))
