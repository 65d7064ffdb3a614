"""Many pictures through an encoder that takes one batch at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from worker.encoders.protocol import Encoder, Pixels, Vectors


def embed_in_batches(
    encoder: Encoder,
    pixels: Pixels,
    batch_size: int,
    before_each: Callable[[], None] = lambda: None,
) -> tuple[Vectors, int]:
    """Embed uint8 `[n, size, size, 3]` in order; returns `[n, dimension]` and the runs it took.

    Every batch but the last holds `batch_size` pictures, so n pictures take ceil(n / batch_size)
    runs. `before_each` is called before every run and ends them by raising. Raises ValueError for
    a batch size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"a batch holds at least one picture, not {batch_size}")
    vectors = np.empty((len(pixels), encoder.card.dimension), dtype=np.float32)
    runs = 0
    for start in range(0, len(pixels), batch_size):
        end = start + batch_size
        before_each()
        vectors[start:end] = encoder.embed_images(pixels[start:end])
        runs += 1
    return vectors, runs
