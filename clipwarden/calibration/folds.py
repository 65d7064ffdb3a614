"""Parts of the examples that are held out in turn; what belongs together stays together."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FOLDS: Final = 5


def group_folds(
    groups: NDArray[np.int64], targets: NDArray[np.bool_], *, seed: int = 0, folds: int = FOLDS
) -> NDArray[np.intp]:
    """Give each example the number of its fold, from 0 on; both arrays are `[n]`.

    All of a group share a fold, and folds get as nearly as possible equally many groups with a
    positive example. The same input gives the same folds, in whatever order the examples come.
    """
    numbers, member = np.unique(groups, return_inverse=True)
    positives = np.bincount(member, weights=targets)
    shuffled = np.random.default_rng(seed).permutation(len(numbers))
    # Dealt like cards: first the groups with positives, the richest of them first.
    dealt = shuffled[np.argsort(-positives[shuffled], kind="stable")]
    fold = np.empty(len(numbers), np.intp)
    fold[dealt] = np.arange(len(numbers)) % folds
    return fold[member]
