"""What scores are worth: how well they rank examples, and what a threshold makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clipwarden.calibration.reliability import wilson
from clipwarden.heads.training import Groups, Truths, Values

_RESAMPLES: Final = 200
_SEED: Final = 0


@dataclass(frozen=True)
class Rate:
    """A figure with its 95% interval; `value` is None where there is nothing to measure."""

    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """How well scores tell examples: areas under the ROC and the precision-recall curve, rates.

    Intervals of areas come from resampled groups, those of rates are Wilson's over groups.
    """

    auc: Rate
    average_precision: Rate
    precision: Rate
    recall: Rate


def measure(scores: Values, shows: Truths, groups: Groups, threshold: float) -> Measured:
    """Measure scores `[n]`; what reaches the threshold counts as found."""
    # Not needed for anything else, and slow to import.
    from sklearn.metrics import average_precision_score, roc_auc_score

    found = scores >= threshold
    hits = int((found & shows).sum())
    return Measured(
        auc=_area(roc_auc_score, scores, shows, groups),
        average_precision=_area(average_precision_score, scores, shows, groups),
        precision=_rate(hits, int(found.sum()), groups[found]),
        recall=_rate(hits, int(shows.sum()), groups[shows]),
    )


def _area(
    score: Callable[[Truths, Values], float], scores: Values, shows: Truths, groups: Groups
) -> Rate:
    random = np.random.default_rng(_SEED)
    numbers, member = np.unique(groups, return_inverse=True)
    rows: list[NDArray[np.intp]] = [np.flatnonzero(member == one) for one in range(len(numbers))]
    areas = []
    for _ in range(_RESAMPLES):
        drawn = np.concatenate([rows[one] for one in random.integers(0, len(rows), len(rows))])
        if 0 < shows[drawn].sum() < len(drawn):
            areas.append(float(score(shows[drawn], scores[drawn])))
    low, high = np.percentile(areas, [2.5, 97.5]) if areas else (0.0, 1.0)
    return Rate(float(score(shows, scores)), float(low), float(high))


def _rate(hits: int, total: int, groups: Groups) -> Rate:
    if not total:
        return Rate(None, 0.0, 1.0)
    cases = len(np.unique(groups))
    return Rate(hits / total, *wilson(hits / total * cases, cases))
