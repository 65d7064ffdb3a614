"""Small videos, each of another content, so that each is work of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 160, 120
_RATE = 4
_BITS = 16
_COLOURS = ((200, 30, 30), (30, 160, 60), (30, 60, 200), (220, 200, 40))


def write_clips(folder: Path, count: int, duration_s: float) -> Iterator[Path]:
    """Write that many videos, yielding each when it is there."""
    for number in range(count):
        yield _write(folder / f"clip-{number:05d}.mp4", number, duration_s)


def _write(path: Path, number: int, duration_s: float) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=_RATE, options={"preset": "ultrafast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        for index in range(max(1, round(duration_s * _RATE))):
            frame = av.VideoFrame.from_ndarray(_picture(number, index), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _picture(number: int, index: int) -> NDArray[np.uint8]:
    """A coloured ground that moves with time, and the video's number as a row of blocks."""
    colour = _COLOURS[(number + index // _RATE) % len(_COLOURS)]
    picture = np.full((_HEIGHT, _WIDTH, 3), colour, np.uint8)
    left = 4 * index % (_WIDTH - 40)
    picture[50:100, left : left + 40] = 235
    block = _WIDTH // _BITS
    for bit in range(_BITS):
        if number >> bit & 1:
            picture[8:32, bit * block : (bit + 1) * block] = 15
    return picture
