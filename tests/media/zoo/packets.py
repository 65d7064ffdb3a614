"""Coded pictures without a container, for files that are put together by hand."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext

from tests import clips


@dataclass(frozen=True)
class CodedPicture:
    """One packet of a codec that doesn't reorder."""

    data: bytes
    keyframe: bool


@functools.cache
def vp8_packets(
    times_ms: tuple[int, ...], size: tuple[int, int] = (320, 240), gop: int = 10
) -> list[CodedPicture]:
    """Pictures that carry these times, coded one by one."""
    codec = VideoCodecContext.create("libvpx", "w")
    codec.width, codec.height = size
    codec.pix_fmt = "yuv420p"
    codec.time_base = Fraction(1, 25)
    codec.options = {"deadline": "realtime", "cpu-used": "8", "g": str(gop), "lag-in-frames": "0"}
    packets = []
    for index, time_ms in enumerate(times_ms):
        frame = av.VideoFrame.from_ndarray(clips.time_code(time_ms, *size), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts = index
        packets += codec.encode(frame)
    packets += codec.encode(None)
    return [CodedPicture(bytes(packet), packet.is_keyframe) for packet in packets]


def write_with_sound(path: Path, picture_s: int, sound_s: int) -> None:
    """Write a clip with time codes and a tone beside them."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        clips.add_tone(container, sound_s)
        for index in range(picture_s * 25):
            frame = av.VideoFrame.from_ndarray(clips.time_code(40 * index), format="rgb24")
            frame.time_base, frame.pts = Fraction(1, 25), index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
