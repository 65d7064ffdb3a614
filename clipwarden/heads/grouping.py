"""Which examples show the same thing: copies in two folds would measure memory, not skill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

NEAR_DUPLICATE_COSINE: Final = 0.98
"""Re-encoded, scaled and slightly cropped copies of a picture lie above; other pictures below."""

_CENTRED_COSINE: Final = 0.95
"""Of vectors without their mean: a model that holds all pictures for alike tells them so, too."""

_ROWS_AT_ONCE: Final = 1024
_LEAST_LENGTH: Final = 1e-12


def group_examples(vectors: NDArray[np.float32], origins: Sequence[str]) -> NDArray[np.int64]:
    """Number groups of examples that share an origin or are near duplicates, int64 `[n]`.

    `vectors` are unit vectors `[n, d]`; whatever is linked by a chain of others is one group.
    """
    parent = list(range(len(vectors)))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    first_of: dict[str, int] = {}
    for number, origin in enumerate(origins):
        parent[root(number)] = root(first_of.setdefault(origin, number))
    centred = vectors - vectors.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), _LEAST_LENGTH)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        alike = vectors[rows] @ vectors.T > NEAR_DUPLICATE_COSINE
        alike &= centred[rows] @ centred.T > _CENTRED_COSINE
        for row, other in zip(*np.nonzero(alike), strict=True):
            parent[root(start + int(row))] = root(int(other))
    roots = [root(number) for number in range(len(vectors))]
    return np.unique(np.array(roots, np.int64), return_inverse=True)[1].astype(np.int64)
