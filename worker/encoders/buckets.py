"""Static batch sizes: a graph is compiled for a few shapes, and batches are filled up to one."""

from __future__ import annotations

import numpy as np

from worker.encoders.protocol import Pixels

_STEP = 4
_SIZES_MAX = 4
"""PyTorch compiles a function for at most eight shapes; each costs seconds before the first job."""


def static_sizes(batch_size: int) -> tuple[int, ...]:
    """The sizes that batches of at most `batch_size` are filled up to, ascending, four at most.

    Each is a quarter of the next: of a video's last batch, three in four places are empty at
    worst. Raises ValueError for a size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"a batch holds at least one picture, not {batch_size}")
    sizes = [batch_size]
    while sizes[-1] > 1 and len(sizes) < _SIZES_MAX:
        sizes.append(-(-sizes[-1] // _STEP))
    return tuple(reversed(sizes))


def plan(count: int, sizes: tuple[int, ...]) -> list[int]:
    """The sizes of the batches that `count` pictures fill, only the last one with empty places.

    They are ceil(count / largest size) many.
    """
    largest = sizes[-1]
    batches = [largest] * (count // largest)
    rest = count % largest
    if rest:
        batches.append(next(size for size in sizes if size >= rest))
    return batches


def filled_up(pixels: Pixels, size: int) -> Pixels:
    """A writable copy of `pixels` with black pictures behind them, `size` in all."""
    filled = np.zeros((size, *pixels.shape[1:]), np.uint8)
    filled[: len(pixels)] = pixels
    return filled
