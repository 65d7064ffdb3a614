"""The plots of a calibration's report, as points in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clipwarden.calibration.calibrate import LabelReport
from clipwarden.calibration.reliability import Bin, equal_width_bins
from clipwarden.calibration.thresholds import Curve
from clipwarden.report.wording import count
from clipwarden.truth.frames import IGNORE, NEGATIVE, POSITIVE
from prompts.links import Logistic

Values = NDArray[np.float64]

SIDE_PX: Final = 220
BARS_PX: Final = 40
_HISTOGRAM_BINS: Final = 40
_MAX_POINTS: Final = 300
_LEAST_RADIUS_PX: Final = 2.0


@dataclass(frozen=True)
class Dot:
    """A bin of a reliability plot: where it stands, how sure that is, and how much it holds."""

    x: float
    y: float
    low: float
    high: float
    radius: float
    bar: float
    words: str


@dataclass(frozen=True)
class Reliability:
    """What was said against what came true, before and after."""

    before: tuple[Dot, ...]
    after: tuple[Dot, ...]


@dataclass(frozen=True)
class Bar:
    """A step of a histogram: heights of frames that show the label and of those that don't."""

    x: float
    width: float
    positive: float
    negative: float
    words: str


@dataclass(frozen=True)
class Histogram:
    """Margins of frames; `threshold_x` is where the label is found from, if anywhere here."""

    bars: tuple[Bar, ...]
    lowest: str
    highest: str
    threshold_x: float | None


@dataclass(frozen=True)
class Tradeoff:
    """Precision and recall over thresholds from 0 to 1, as what an SVG polyline takes."""

    precision: str
    recall: str
    threshold_x: float


def reliability_of(own: Values, held_out: Values, targets: NDArray[np.int8]) -> Reliability:
    """Draw bins of equal width; frames that truth leaves open are left out."""
    known = targets != IGNORE
    truths = targets[known] == POSITIVE
    total = max(int(known.sum()), 2)
    before, after = (
        tuple(_dot(one, total) for one in equal_width_bins(confidences[known], truths))
        for confidences in (own, held_out)
    )
    return Reliability(before, after)


def histogram_of(one: LabelReport, own: Logistic) -> Histogram | None:
    """Draw a label's margins; None without frames. Heights are logarithmic: clean frames abound."""
    known = one.targets != IGNORE
    margins = one.log_odds[known] / own.scale + own.bias
    if not len(margins):
        return None
    low, high = float(margins.min()), float(margins.max())
    high = high if high > low else low + 1e-6
    edges = np.linspace(low, high, _HISTOGRAM_BINS + 1)
    counts = [
        np.histogram(margins[one.targets[known] == wanted], edges)[0]
        for wanted in (POSITIVE, NEGATIVE)
    ]
    unit = SIDE_PX / np.log1p(max(int(part.max()) for part in counts))
    step = SIDE_PX / _HISTOGRAM_BINS
    bars = tuple(
        Bar(
            x=round(place * step, 1),
            width=round(step / 2, 1),
            positive=round(float(np.log1p(shown) * unit), 1),
            negative=round(float(np.log1p(clean) * unit), 1),
            words=f"{edges[place]:.3f} to {edges[place + 1]:.3f}: {shown} show it, {clean} don't",
        )
        for place, (shown, clean) in enumerate(zip(*counts, strict=True))
        if shown or clean
    )
    found = one.final[known] >= one.point.threshold
    at = None
    if found.any():
        below = margins[~found]
        edge = (margins[found].min() + below.max()) / 2 if len(below) else margins[found].min()
        at = round(float((edge - low) / (high - low)) * SIDE_PX, 1)
    return Histogram(bars, f"{low:.2f}", f"{high:.2f}", at)


def tradeoff_of(one: LabelReport) -> Tradeoff | None:
    """Draw a label's precision and recall on held-out scenes; None where nothing shows it."""
    curve = Curve.of(one.tried, one.targets, one.point.false_weight)
    if not curve.positives or not len(curve.thresholds):
        return None
    step = max(1, len(curve.thresholds) // _MAX_POINTS)
    thresholds = curve.thresholds[::step]
    precision = curve.precision[::step]
    recall = (curve.hits / curve.positives)[::step]
    return Tradeoff(
        precision=_line(thresholds, precision),
        recall=_line(thresholds, recall),
        threshold_x=round(SIDE_PX * one.point.threshold, 1),
    )


def _dot(one: Bin, total: int) -> Dot:
    share = np.log1p(one.count) / np.log1p(total)
    said = f"said {one.confidence:.2f}, came true {one.rate:.2f}"
    return Dot(
        x=round(SIDE_PX * one.confidence, 1),
        y=_up(one.rate),
        low=_up(one.low),
        high=_up(one.high),
        radius=round(_LEAST_RADIUS_PX + 4 * float(share), 1),
        bar=round(BARS_PX * float(share), 1),
        words=f"{count(one.count, 'frame')}: {said} [{one.low:.2f}–{one.high:.2f}]",
    )


def _line(xs: Values, ys: Values) -> str:
    return " ".join(f"{SIDE_PX * x:.1f},{_up(float(y))}" for x, y in zip(xs, ys, strict=True))


def _up(value: float) -> float:
    return round(SIDE_PX * (1 - value), 1)
