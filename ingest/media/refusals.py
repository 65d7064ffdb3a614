"""What is said where a limit ends a decoding: what there was, where the limit is, what to do."""

from __future__ import annotations

from ingest.errors import (
    DecoderOutOfMemory,
    DecodingTimedOut,
    TooLong,
    TooManyBytes,
    TooManyFrames,
    TooManyPixels,
    TooManyStreams,
)
from ingest.media.limits import DecodeLimits
from ingest.media.wire import DecodeRequest


def too_many_bytes(request: DecodeRequest, size_bytes: int) -> TooManyBytes:
    """Say how large the file is."""
    return TooManyBytes(
        f"{request.source}: a file of {size_bytes} bytes is over the limit of "
        f"{request.limits.max_bytes}.",
        f"Split it into parts, or {_raise('bytes')}",
    )


def too_many_streams(request: DecodeRequest, streams: int) -> TooManyStreams:
    """Say how many streams the file holds."""
    return TooManyStreams(
        f"{request.source}: {streams} streams in it are over the limit of "
        f"{request.limits.max_streams}.",
        f"Copy its video alone into a new file, or {_raise('streams')}",
    )


def too_many_pixels(request: DecodeRequest, width: int, height: int) -> TooManyPixels:
    """Say how large the picture is."""
    return TooManyPixels(
        f"{request.source}: a picture of {width}x{height} is over the limit of "
        f"{request.limits.max_pixels} pixels.",
        f"Scale the video down first, or {_raise('pixels')}",
    )


def too_long(request: DecodeRequest) -> TooLong:
    """Say that what was decoded is longer than it may be."""
    return TooLong(
        f"{request.source}: it goes on for longer than the limit of "
        f"{_spelled(request.limits.max_duration_s)}.",
        f"Split it into parts, or {_raise('duration')}",
    )


def too_many_frames(request: DecodeRequest) -> TooManyFrames:
    """Say that the sampling gives more frames than it may."""
    return TooManyFrames(
        f"{request.source}: sampling {request.sampling.name} gives more than the limit of "
        f"{request.limits.max_frames} frames.",
        f"Sample fewer frames a second, or {_raise('frames')}",
    )


def out_of_memory(request: DecodeRequest) -> DecoderOutOfMemory:
    """Say that the address space limit ended the decoding."""
    mebibytes = request.limits.memory_bytes // 1024**2
    return DecoderOutOfMemory(
        f"{request.source}: decoding takes more than {mebibytes} MiB of memory.",
        f"Convert it to a smaller picture or an ordinary codec first, or {_raise('memory')}",
    )


def stalled(source: str, limits: DecodeLimits) -> DecodingTimedOut:
    """Say that the decoder was silent for too long."""
    return DecodingTimedOut(
        f"{source}: the decoder was silent for {limits.stall_timeout_s:g} s and was killed.",
        f"The file is probably damaged: convert it with another program, or {_raise('stall')}",
    )


def too_slow(source: str, limits: DecodeLimits) -> DecodingTimedOut:
    """Say that the file as a whole took too long."""
    return DecodingTimedOut(
        f"{source}: decoding takes longer than the limit of {_spelled(limits.wall_s)}.",
        f"Split it or convert it to an ordinary codec, or {_raise('time')}",
    )


def too_much_cpu(source: str, limits: DecodeLimits) -> DecodingTimedOut:
    """Say that the file took too much processor time."""
    return DecodingTimedOut(
        f"{source}: decoding takes more processor time than the limit of {_spelled(limits.cpu_s)}.",
        f"Split it or convert it to an ordinary codec, or {_raise('cpu')}",
    )


def _raise(name: str) -> str:
    return f"raise the limit with --limit {name}=..."


def _spelled(seconds: float) -> str:
    """A length of time in its largest whole unit."""
    for unit, size_s in (("h", 3600), ("min", 60)):
        if seconds >= size_s and seconds % size_s == 0:
            return f"{seconds / size_s:g} {unit}"
    return f"{seconds:g} s"
