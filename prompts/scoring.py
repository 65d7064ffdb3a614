"""Score pictures against a prompt set: how much nearer to a label than to everything else.

Raw cosines can't be compared between prompts, pictures or models. A label's margin is its best
prompt's cosine minus the best contrast prompt's; a trained head's is its logit, a frame
classifier's that of its probability. A link (`prompts.links`) turns margins into confidences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prompts.compiling import Classified, Compared, CompiledSet, Directed, Indices, Vectors
from prompts.errors import HeadMissing

PICTURES_PER_BLOCK: Final = 4096
"""Pictures scored at once: with 500 prompts the cosines of a block take 8 MiB."""

_MIN_PROBABILITY: Final = 1e-6
"""Classifiers say 0 and 1, whose logits are infinite."""

_NO_SCORES: Final[Mapping[str, Vectors]] = {}


def margins(
    vectors: Vectors,
    compiled: CompiledSet,
    classifier_scores: Mapping[str, Vectors] = _NO_SCORES,
    floor: float | None = None,
) -> Vectors:
    """Return the margin of every picture for every label, float32 `[n, labels]`.

    `vectors` are unit vectors, float32 `[n, d]`; `classifier_scores` are probabilities `[n]`, by
    the classifier's name. A contrast never counts for less than `floor`, the cosine below which the
    model itself holds picture and text for unrelated. Raises HeadMissing for a head of another
    dimension than theirs.
    """
    _check_heads(compiled, vectors.shape[1])
    result = np.empty((len(vectors), len(compiled.labels)), np.float32)
    for start in range(0, len(vectors), PICTURES_PER_BLOCK):
        block = slice(start, start + PICTURES_PER_BLOCK)
        _score_block(vectors[block], compiled, floor, result[block])
    for column, scored in enumerate(compiled.columns):
        if isinstance(scored, Classified):
            result[:, column] = logit(classifier_scores[scored.classifier])
    return result


def logit(probabilities: Vectors) -> Vectors:
    """Return the log odds, bounded at one in a million."""
    bounded = np.clip(probabilities.astype(np.float64), _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    return np.asarray(np.log(bounded / (1 - bounded)), np.float32)


@dataclass(frozen=True, eq=False)
class Nearest:
    """Which prompts decided, for some pictures and one label: rows of the compiled set's matrix.

    A contrast of -1 says that the model's own floor decided.
    """

    positives: Indices
    contrasts: Indices


def nearest(
    vectors: Vectors, compiled: CompiledSet, column: int, floor: float | None = None
) -> Nearest:
    """Find the best prompt and the best contrast of a label that is scored by prompts."""
    scored = compiled.columns[column]
    assert isinstance(scored, Compared)
    contrast = np.concatenate([compiled.pools[scored.pool], scored.contrast])
    # By float32 and in the same order as the margins were made: ties fall the same way.
    positives = compiled.prompts[scored.positives] @ vectors.T
    contrasts = compiled.prompts[contrast] @ vectors.T
    best = contrast[contrasts.argmax(axis=0)]
    if floor is not None:
        best = np.where(contrasts.max(axis=0) < floor, -1, best)
    return Nearest(scored.positives[positives.argmax(axis=0)], best)


def _check_heads(compiled: CompiledSet, dimension: int) -> None:
    for label, scored in zip(compiled.labels, compiled.columns, strict=True):
        if isinstance(scored, Directed) and len(scored.weights) != dimension:
            raise HeadMissing(
                f"the trained head of label {label} has {len(scored.weights)} weights, the model's "
                f"vectors have {dimension} numbers.",
                "Train it again with `clipwarden train-head`: the file was changed by hand.",
            )


def _score_block(
    vectors: Vectors, compiled: CompiledSet, floor: float | None, result: Vectors
) -> None:
    # Prompts by pictures: a label's rows then lie together, and the maxima run along them.
    cosines = compiled.prompts @ vectors.T if len(compiled.prompts) else None
    least = np.full(len(vectors), -np.inf if floor is None else floor, np.float32)
    # Once for all labels: the shared pool is by far the longest part of the contrast.
    pools = [_highest(cosines, pool, least) for pool in compiled.pools]
    for column, scored in enumerate(compiled.columns):
        match scored:
            case Compared():
                positive = _highest(cosines, scored.positives, None)
                contrast = _highest(cosines, scored.contrast, pools[scored.pool])
                result[:, column] = positive - contrast
            case Directed():
                result[:, column] = vectors @ scored.weights + np.float32(scored.bias)
            case Classified():
                pass


def _highest(
    cosines: Vectors | None, rows: Indices, at_least: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """The highest cosine among some rows for each picture, or `at_least` where that is higher."""
    if not len(rows):
        assert at_least is not None
        return at_least
    assert cosines is not None
    first, last = int(rows[0]), int(rows[-1])
    # A run of rows is read where it lies; picked ones would be copied.
    is_run = last - first + 1 == len(rows) and bool(np.all(np.diff(rows) == 1))
    highest: NDArray[np.float32] = (cosines[first : last + 1] if is_run else cosines[rows]).max(0)
    return highest if at_least is None else np.maximum(highest, at_least)
