"""A video to measure decoding with, as much work as footage is.

Noise of several octaves pans and is zoomed, patches of it move on their own, grain lies over all,
and scenes are cut: motion vectors, residuals and key frames come in the proportions that a camera
gives them. Plain moving shapes would decode several times as fast and prove nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

RATE = 30
_GOP = 250
_SCENE_S = 9
_PATCHES = 5
_GRAIN_LEVELS = 4.8
"""Standard deviation, of 255: 720p then takes about three megabits a second, as footage does."""
_GRAINS = 8
_OCTAVE_DECAY = 0.75
"""How much weaker each finer octave is; photographs fall off about so."""
_MARGIN = 1.4
"""The ground of a scene is so much larger than the picture, for the camera to move on."""

_Plane = NDArray[np.uint8]


@dataclass(frozen=True)
class ClipSpec:
    """Size and length of a clip."""

    width: int
    height: int
    seconds: float

    @property
    def name(self) -> str:
        """What people call it, such as `720p`."""
        return f"{self.height}p"


def write_clip(path: Path, spec: ClipSpec) -> Path:
    """Write H.264 as x264's `veryfast` does, key frames at most 250 frames apart."""
    rng = np.random.default_rng(spec.height)
    with av.open(str(path), "w") as container:
        options = {"preset": "veryfast", "crf": "23"}
        stream = container.add_stream("libx264", rate=RATE, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = spec.width, spec.height, "yuv420p"
        stream.codec_context.gop_size = _GOP
        for planes in _pictures(spec, rng):
            frame = VideoFrame(spec.width, spec.height, "yuv420p")
            for plane, values in zip(frame.planes, planes, strict=True):
                plane.update(padded(values, plane.line_size))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def draw_scenes(
    spec: ClipSpec, rng: np.random.Generator
) -> Iterator[tuple[_Plane, _Plane, _Plane]]:
    """Draw one picture of each of endlessly many scenes: luma and both colour planes."""
    while True:
        yield _Scene(spec, rng).at(float(rng.random()))


def _pictures(spec: ClipSpec, rng: np.random.Generator) -> Iterator[tuple[_Plane, _Plane, _Plane]]:
    shape = spec.height, spec.width
    grains = [rng.normal(0, _GRAIN_LEVELS, shape).astype(np.int8) for _ in range(_GRAINS)]
    count, per_scene = max(1, round(spec.seconds * RATE)), _SCENE_S * RATE
    for first in range(0, count, per_scene):
        scene = _Scene(spec, rng)
        for index in range(first, min(first + per_scene, count)):
            luma, blue, red = scene.at((index - first) / per_scene)
            grain = grains[int(rng.integers(_GRAINS))]
            bright = np.clip(luma.astype(np.int16) + grain, 0, 255).astype(np.uint8)
            yield bright, blue, red


class _Scene:
    """A ground that the camera moves over, and patches that move before it."""

    def __init__(self, spec: ClipSpec, rng: np.random.Generator) -> None:
        self._spec = spec
        height, width = _even(spec.height * _MARGIN), _even(spec.width * _MARGIN)
        self._luma = _noise(height, width, rng, contrast=50)
        self._colours = [_noise(height // 2, width // 2, rng, contrast=18) for _ in range(2)]
        self._pan = rng.uniform(-1, 1, 2)
        self._zooms = rng.random() < 0.5
        size = _even(spec.height / 4)
        self._patches = [_noise(size, size, rng, contrast=60) for _ in range(_PATCHES)]
        self._ways = rng.uniform(0, 1, (_PATCHES, 4))

    def at(self, moment: float) -> tuple[_Plane, _Plane, _Plane]:
        """Luma and both colour planes at 0..1 of the scene."""
        spec, (rows, columns) = self._spec, self._luma.shape
        # Zooming reads a smaller window; nearest neighbour is enough under the grain.
        part = 1.0 - 0.2 * moment if self._zooms else 1.0
        height, width = spec.height * part, spec.width * part
        top = (rows - height) * (0.5 + 0.4 * self._pan[0] * (moment - 0.5))
        left = (columns - width) * (0.5 + 0.9 * self._pan[1] * (moment - 0.5))
        luma = _window(self._luma, top, left, part, (spec.height, spec.width))
        half = (spec.height // 2, spec.width // 2)
        blue, red = (_window(c, top / 2, left / 2, part, half) for c in self._colours)
        for patch, (y, x, to_y, to_x) in zip(self._patches, self._ways, strict=True):
            size = len(patch)
            row = int((spec.height - size) * (y + (to_y - y) * moment))
            column = int((spec.width - size) * (x + (to_x - x) * moment))
            luma[row : row + size, column : column + size] = patch
        return luma, blue, red


def _window(plane: _Plane, top: float, left: float, part: float, shape: tuple[int, int]) -> _Plane:
    rows = np.minimum((top + part * np.arange(shape[0])).astype(int), len(plane) - 1)
    columns = np.minimum((left + part * np.arange(shape[1])).astype(int), plane.shape[1] - 1)
    window: _Plane = plane[np.ix_(rows, columns)]
    return window


def _noise(height: int, width: int, rng: np.random.Generator, contrast: float) -> _Plane:
    """Sum smooth noise of octaves from the whole picture down to two pixels."""
    total = np.zeros((height, width), np.float32)
    octaves = int(math.log2(min(height, width))) - 1
    for octave in range(octaves):
        cells = 2 ** (octave + 1)
        coarse = rng.normal(0, 1, (cells + 1, cells * width // height + 2))
        total += _OCTAVE_DECAY**octave * _stretched(coarse.astype(np.float32), height, width)
    noise: _Plane = np.clip(128 + contrast * total / total.std(), 0, 255).astype(np.uint8)
    return noise


def _stretched(coarse: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Scale bilinearly."""
    rows = np.linspace(0, len(coarse) - 1.001, height, dtype=np.float32)
    columns = np.linspace(0, coarse.shape[1] - 1.001, width, dtype=np.float32)
    row, column = rows.astype(int), columns.astype(int)
    down, right = (rows - row)[:, None], columns - column
    between = coarse[row] * (1 - down) + coarse[row + 1] * down
    return np.asarray(between[:, column] * (1 - right) + between[:, column + 1] * right)


def padded(values: _Plane, line_size: int) -> bytes:
    """Rows as FFmpeg aligns them."""
    height, width = values.shape
    padded = np.zeros((height, line_size), np.uint8)
    padded[:, :width] = values
    return padded.tobytes()


def _even(number: float) -> int:
    return 2 * round(number / 2)
