"""Figures with intervals: how far they would move if other files of the kind had been measured.

Intervals are percentiles of a bootstrap that draws whole units anew (files, or scenes where files
are few), for frames of one scene go right or wrong together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

ENOUGH: Final = 3
"""With fewer cases than this a figure is an anecdote, and gets no interval."""

RESAMPLES: Final = 1000
LEAST_RESAMPLES: Final = 100
_MAX_DRAWS: Final = 20_000_000
SEED: Final = 20_000
LEVEL: Final = 0.95

Values = NDArray[np.float64]
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure, its 95% interval, and `n`, the cases it is made of.

    `value` is None where there is no case; `low` and `high` are where there are too few to say.
    """

    value: float | None
    low: float | None
    high: float | None
    n: float

    @property
    def is_enough(self) -> bool:
        """Whether there are cases enough for an interval."""
        return self.low is not None


NOTHING: Final = Estimate(None, None, None, 0)


@dataclass(frozen=True, eq=False)
class Resampling:
    """How often each unit is drawn in each resample: float64 `[resamples, units]`."""

    weights: Weights

    @classmethod
    def of(cls, units: int, resamples: int = RESAMPLES, seed: int = SEED) -> Resampling:
        """Draw as many units as there are, with replacement; the same for the same seed."""
        random = np.random.default_rng(seed)
        if not units:
            return cls(np.zeros((resamples, 0)))
        # A few hundred are enough where a thousand would take gigabytes.
        rows = min(resamples, max(LEAST_RESAMPLES, _MAX_DRAWS // units))
        drawn = random.integers(units, size=(rows, units)) + units * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * units)
        return cls(counts.reshape(rows, units).astype(np.float64))


def proportion(hits: Values, cases: Values, resampling: Resampling) -> Estimate:
    """Estimate a share: both are counts per unit, hits among cases.

    Where every resample gives 0 or every one gives 1, the interval is the exact one of
    Clopper and Pearson (1934): six of six do not prove that the seventh is found.
    """
    n, k = float(cases.sum()), float(hits.sum())
    estimate = ratio(hits, cases, resampling, n=n)
    if not estimate.is_enough or k not in (0.0, n):
        return estimate
    beyond = ((1 - LEVEL) / 2) ** (1 / n)
    low, high = (beyond, 1.0) if k else (0.0, 1 - beyond)
    return Estimate(estimate.value, low, high, n)


def rate(events: Values, hours: Values, resampling: Resampling) -> Estimate:
    """Estimate events per hour; both are amounts per unit, and `n` is the hours.

    For no event at all the upper bound is the exact one of a Poisson process.
    """
    total = float(hours.sum())
    if total <= 0:
        return NOTHING
    if not events.sum():
        return Estimate(0.0, 0.0, -math.log((1 - LEVEL) / 2) / total, total)
    value, (low, high) = float(events.sum()) / total, _interval(_ratios(events, hours, resampling))
    return Estimate(value, low, high, total)


def ratio(above: Values, below: Values, resampling: Resampling, n: float) -> Estimate:
    """Estimate a quotient of two sums over units; `n` cases decide whether there are enough.

    Without a case there is no value, whatever the sums.
    """
    total = float(below.sum())
    if total <= 0 or not n:
        return Estimate(None, None, None, n)
    value = float(above.sum()) / total
    if n < ENOUGH:
        return Estimate(value, None, None, n)
    low, high = _interval(_ratios(above, below, resampling))
    return Estimate(value, low, high, n)


def f1(right: Values, false: Values, missed: Values, resampling: Resampling) -> Estimate:
    """Estimate the harmonic mean of precision and recall from counts per unit."""
    doubled = 2 * right
    return ratio(doubled, doubled + false + missed, resampling, n=float((right + missed).sum()))


def median(values: Values, units: NDArray[np.intp], resampling: Resampling) -> Estimate:
    """Estimate the median of values, each of which belongs to a unit."""
    if not len(values):
        return NOTHING
    value, n = float(np.median(values)), float(len(values))
    if n < ENOUGH:
        return Estimate(value, None, None, n)
    counts = resampling.weights[:, units].astype(np.intp)
    medians = [np.median(np.repeat(values, drawn)) for drawn in counts if drawn.any()]
    low, high = _interval(np.array(medians))
    return Estimate(value, low, high, n)


def of_resamples(value: float, resampled: Values, n: float) -> Estimate:
    """Make an estimate of a figure and its values in resamples, NaN where it has none."""
    if n < ENOUGH:
        return Estimate(value, None, None, n)
    low, high = _interval(resampled)
    return Estimate(value, low, high, n)


def regroup(values: Sequence[NDArray[np.float64]], units: NDArray[np.intp]) -> list[Values]:
    """Sum amounts up to the larger units that each of them is part of."""
    count = int(units.max(initial=-1)) + 1
    return [np.bincount(units, one, count).astype(np.float64) for one in values]


def _ratios(above: Values, below: Values, resampling: Resampling) -> Values:
    over, under = resampling.weights @ above, resampling.weights @ below
    found: Values = np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)
    return found


def _interval(values: Values) -> tuple[float | None, float | None]:
    known = values[np.isfinite(values)]
    if not len(known):
        return None, None
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)
