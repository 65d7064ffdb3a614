"""Figures with intervals: how far they would move if other files of the kind had been measured.

Intervals are percentiles of a bootstrap that draws whole units anew (files, or scenes where files
are few), for frames of one scene go right or wrong together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

ENOUGH: Final = 3
"""With fewer cases, or units they are of, a figure is an anecdote, and gets no interval."""

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

    `value` is None where there is no case; `low` and `high` are where cases, or the units that they
    are of, are too few to say, or too much alike.
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

    The interval is never narrower than the exact one of a Poisson process (Garwood 1936): the draws
    say little of events that are rare, or all in one unit.
    """
    # Not needed for anything else, and slow to import.
    from scipy.special import gammaincinv

    total, count = float(hours.sum()), float(events.sum())
    if total <= 0:
        return NOTHING
    tail = (1 - LEVEL) / 2
    low = float(gammaincinv(count, tail)) / total if count else 0.0
    high = float(gammaincinv(count + 1, 1 - tail)) / total
    resampled = _ratios(events, hours, resampling)
    known = resampled[np.isfinite(resampled)]
    if len(known):
        drawn = np.percentile(known, [100 * tail, 100 * (1 - tail)])
        low, high = min(low, float(drawn[0])), max(high, float(drawn[1]))
    return Estimate(count / total, low, high, total)


def ratio(above: Values, below: Values, resampling: Resampling, n: float) -> Estimate:
    """Estimate a quotient of two sums over units, made of `n` cases.

    Without a case there is no value, whatever the sums. With few cases, or all of them in few
    units, there is no interval.
    """
    total = float(below.sum())
    if total <= 0 or not n:
        return Estimate(None, None, None, n)
    value = float(above.sum()) / total
    if n < ENOUGH or np.count_nonzero(below) < ENOUGH:
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
    if len(np.unique(units)) < ENOUGH:
        return Estimate(value, None, None, n)
    counts = resampling.weights[:, units].astype(np.intp)
    medians = [np.median(np.repeat(values, drawn)) for drawn in counts if drawn.any()]
    low, high = _interval(np.array(medians))
    return Estimate(value, low, high, n)


def of_resamples(value: float, resampled: Values, n: float) -> Estimate:
    """Make an estimate of a figure and its values in resamples, NaN where it has none.

    Where all of these are the same, as for a perfect ranking, they say nothing of others.
    """
    low, high = _interval(resampled) if n >= ENOUGH else (None, None)
    return Estimate(value, None, None, n) if low == high else Estimate(value, low, high, n)


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
