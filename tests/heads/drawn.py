"""Vectors that a head can tell apart, and small pictures of two kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipwarden.heads.grouping import group_examples
from clipwarden.heads.training import Examples


def drawn_vectors(
    shows: NDArray[np.bool_], dimension: int = 16, apart: float = 0.5, seed: int = 0
) -> NDArray[np.float32]:
    """Unit vectors, moved along one direction where they show the label."""
    random = np.random.default_rng(seed)
    vectors = random.normal(0, 0.3, (len(shows), dimension))
    vectors[:, 3] += np.where(shows, apart, -apart)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def drawn_head_examples(count: int = 60, apart: float = 0.5, seed: int = 0) -> Examples:
    """Half of them show the label, and no two are alike."""
    shows = np.arange(count) % 2 == 0
    vectors = drawn_vectors(shows, apart=apart, seed=seed)
    return Examples(vectors, shows, group_examples(vectors, [str(one) for one in range(count)]))


def write_pictures(folder: Path, count: int, *, striped: bool) -> None:
    """Noise in colour, or stripes from left to right, of many widths and colours, under it."""
    folder.mkdir(parents=True)
    for number in range(count):
        random = np.random.default_rng([number, striped])
        coarse = random.integers(0, 256, (6, 8, 3)).astype(np.uint8)
        pixels = coarse.repeat(8, axis=0).repeat(8, axis=1)
        if striped:
            rows = np.arange(48)[:, None, None] + random.integers(0, 12)
            bright = rows // random.integers(3, 9) % 2 * random.integers(90, 190, 3)
            pixels = pixels // 4 + bright.astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
