"""How far confidences are from what came true: calibration error, Brier score, log loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Truths = NDArray[np.bool_]

BINS: Final = 15
"""As in Guo et al. 2017 (arXiv 1706.04599), so that figures can be compared with others'."""

_Z_95: Final = 1.959964
_LEAST: Final = 1e-6


@dataclass(frozen=True)
class Bin:
    """Examples of like confidence: what was said of them on average, and how many came true.

    `low` and `high` are Wilson's 95% interval for the rate, as if examples were independent.
    """

    count: int
    positives: int
    confidence: float
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Which part came true."""
        return self.positives / self.count


@dataclass(frozen=True)
class Quality:
    """How good confidences are; less is better throughout.

    `ece` is over bins that hold equally many examples, `ece_width` over bins of equal width;
    `brier` is the mean squared and `log_loss` the mean logarithmic error, the latter in nats.
    """

    ece: float
    ece_width: float
    brier: float
    log_loss: float

    @classmethod
    def of(cls, confidences: Values, targets: Truths) -> Quality:
        """Measure; both `[n]`, and n is at least 1."""
        return cls(
            ece=calibration_error(equal_mass_bins(confidences, targets)),
            ece_width=calibration_error(equal_width_bins(confidences, targets)),
            brier=float(np.mean((confidences - targets) ** 2)),
            log_loss=log_loss(confidences, targets),
        )


def equal_mass_bins(confidences: Values, targets: Truths, bins: int = BINS) -> list[Bin]:
    """Split examples by confidence into bins of as nearly as possible equally many.

    Equal confidences stay together: which bin each of them is in would be the order of files.
    """
    _, level, counts = np.unique(confidences, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    number = (middle * min(bins, len(confidences)) / len(confidences)).astype(np.intp)[level]
    return [_bin(confidences[number == one], targets[number == one]) for one in np.unique(number)]


def equal_width_bins(confidences: Values, targets: Truths, bins: int = BINS) -> list[Bin]:
    """Split 0..1 into equal parts and leave out the empty ones."""
    number = np.minimum((confidences * bins).astype(np.intp), bins - 1)
    return [_bin(confidences[number == one], targets[number == one]) for one in np.unique(number)]


def calibration_error(bins: list[Bin]) -> float:
    """The expected calibration error: how far bins are off, weighted by what they hold."""
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.confidence - one.rate) for one in bins) / total


def log_loss(confidences: Values, targets: Truths) -> float:
    """The mean of -ln of the probability given to what was the case; that is held off zero."""
    given = np.where(targets, confidences, 1.0 - confidences)
    return float(-np.mean(np.log(np.clip(given, _LEAST, 1.0))))


def wilson(positives: float, count: int) -> tuple[float, float]:
    """A rate's 95% interval (Wilson 1927), also good near 0 and 1; all of 0..1 where n is 0."""
    if not count:
        return 0.0, 1.0
    rate, square = positives / count, _Z_95**2
    middle = (rate + square / (2 * count)) / (1 + square / count)
    half = _Z_95 * np.sqrt(rate * (1 - rate) / count + square / (4 * count**2))
    half /= 1 + square / count
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _bin(confidences: Values, targets: Truths) -> Bin:
    positives = int(np.count_nonzero(targets))
    low, high = wilson(positives, len(targets))
    return Bin(len(targets), positives, float(confidences.mean()), low, high)
