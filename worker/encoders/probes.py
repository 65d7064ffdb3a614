"""Pictures and texts to try an encoder with: always the same ones, and unlike each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worker.encoders.protocol import Pixels

PROBE_TEXTS = (
    "a photo of a dog",
    "two people shaking hands in an office",
    "a burning car at night",
    "a bowl of fruit on a wooden table",
    "text on a white page",
    "an aerial view of a city by the sea",
    "a person holding a knife",
    "abstract colourful noise",
)

_OCTAVES = 6
_OCTAVE_DECAY = 0.75
"""How much weaker each finer octave is; photographs fall off about so."""
_SHAPES = 4


def probe_pictures(count: int, size_px: int) -> Pixels:
    """Draw uint8 `[count, size_px, size_px, 3]`: smooth noise, a tint, some plain shapes.

    The first ones are the same whatever the count. They stand for footage where none is at hand:
    an encoder spreads them out as it does photographs, if not as far.
    """
    pictures = [_picture(np.random.default_rng(index), size_px) for index in range(count)]
    return np.stack(pictures) if pictures else np.empty((0, size_px, size_px, 3), np.uint8)


def _picture(rng: np.random.Generator, size_px: int) -> Pixels:
    noise = np.zeros((size_px, size_px, 3), np.float32)
    for octave in range(1, _OCTAVES + 1):
        coarse = rng.normal(0, 1, (2**octave + 1, 2**octave + 1, 3)).astype(np.float32)
        noise += _OCTAVE_DECAY**octave * _stretched(coarse, size_px)
    contrast, tint = rng.uniform(10, 70), rng.normal(0, 40, 3)
    picture = 128 + noise / noise.std() * contrast + tint
    for _ in range(int(rng.integers(_SHAPES + 1))):
        top, left = rng.integers(0, size_px, 2)
        height, width = rng.integers(size_px // 8 + 1, size_px // 2 + 2, 2)
        picture[top : top + height, left : left + width] = rng.uniform(0, 255, 3)
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def _stretched(coarse: NDArray[np.float32], size_px: int) -> NDArray[np.float32]:
    """Scale `[k, k, 3]` bilinearly to `[size_px, size_px, 3]`."""
    at = np.linspace(0, len(coarse) - 1.001, size_px, dtype=np.float32)
    whole, part = at.astype(int), at % 1
    down = part[:, None, None]
    rows = coarse[whole] * (1 - down) + coarse[whole + 1] * down
    right = part[None, :, None]
    return np.asarray(rows[:, whole] * (1 - right) + rows[:, whole + 1] * right)
