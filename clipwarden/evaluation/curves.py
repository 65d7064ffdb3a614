"""How well confidences rank frames: precision-recall curves, average precision, ROC area."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clipwarden.evaluation.estimate import (
    LEAST_RESAMPLES,
    NOTHING,
    RESAMPLES,
    Estimate,
    Resampling,
    of_resamples,
)
from clipwarden.truth.frames import LabelFrames

FEW_FILES: Final = 8
"""With fewer files than this, scenes are drawn instead: so few files say nothing of others."""

_MAX_POINTS: Final = 200
_MAX_CELLS: Final = 4_000_000
_MAX_WORK: Final = 400_000_000

Values = NDArray[np.float64]


@dataclass(frozen=True)
class CurvePoint:
    """Precision and recall where all frames from a confidence on up are taken for found."""

    confidence: float
    precision: float
    recall: float


@dataclass(frozen=True)
class Curve:
    """How well a label's confidences rank frames; `positives` counts frames."""

    points: tuple[CurvePoint, ...]
    average_precision: Estimate
    roc_auc: Estimate
    positives: int
    negatives: int


def curve_of(frames: LabelFrames) -> Curve:
    """Measure one label's frames; scenes that a person may get wrong, too, are left out.

    Average precision is the sum of precision times the step of recall over falling confidence,
    without interpolation; frames of equal confidence are one step. `n` of both is the scenes (or
    pictures) that show the label.
    """
    plain = ~frames.hard
    scores, targets = frames.confidences[plain], frames.targets[plain]
    positives = int(np.count_nonzero(targets))
    negatives = len(targets) - positives
    if not positives:
        return Curve((), NOTHING, NOTHING, 0, negatives)
    order = np.argsort(-scores, kind="stable")
    scores, targets = scores[order], targets[order]
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    ones = np.ones((1, len(scores)))
    precision, recall = _precision_recall(ones, targets, ends)
    groups = _groups(frames, plain)[order]
    n = float(len(np.unique(groups[targets])))
    average, area = _resampled(groups, targets, ends)
    value_area = _areas(ones, targets, ends)[0]
    return Curve(
        points=_points(scores[ends], precision[0], recall[0]),
        average_precision=of_resamples(float(_averages(precision, recall)[0]), average, n),
        roc_auc=of_resamples(float(value_area), area, n) if negatives else NOTHING,
        positives=positives,
        negatives=negatives,
    )


def _groups(frames: LabelFrames, plain: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number what is drawn anew: files, or their scenes where files are few."""
    media = frames.media[plain]
    units = media if len(np.unique(media)) >= FEW_FILES else frames.groups[plain]
    return np.unique(units, return_inverse=True)[1].astype(np.intp)


def _resampled(
    groups: NDArray[np.intp], targets: NDArray[np.bool_], ends: NDArray[np.intp]
) -> tuple[Values, Values]:
    # A few hundred resamples are enough where a thousand would take minutes.
    resamples = min(RESAMPLES, max(LEAST_RESAMPLES, _MAX_WORK // len(groups)))
    weights = Resampling.of(int(groups.max()) + 1, resamples).weights
    averages, areas = [], []
    step = max(1, _MAX_CELLS // len(groups))
    for start in range(0, len(weights), step):
        drawn = weights[start : start + step][:, groups]
        averages.append(_averages(*_precision_recall(drawn, targets, ends)))
        areas.append(_areas(drawn, targets, ends))
    return np.concatenate(averages), np.concatenate(areas)


def _precision_recall(
    weights: Values, targets: NDArray[np.bool_], ends: NDArray[np.intp]
) -> tuple[Values, Values]:
    """Both after each step of falling confidence: `[resamples, steps]`, NaN without positives."""
    right = np.cumsum(weights * targets, axis=1)[:, ends]
    taken = np.cumsum(weights, axis=1)[:, ends]
    precision = np.divide(right, taken, out=np.ones_like(right), where=taken > 0)
    return precision, _shares(right)


def _averages(precision: Values, recall: Values) -> Values:
    found: Values = np.sum(np.diff(recall, axis=1, prepend=0.0) * precision, axis=1)
    return found


def _areas(weights: Values, targets: NDArray[np.bool_], ends: NDArray[np.intp]) -> Values:
    """The area under the ROC curve by trapezoids, so that ties count half."""
    right = _shares(np.cumsum(weights * targets, axis=1)[:, ends])
    wrong = _shares(np.cumsum(weights * ~targets, axis=1)[:, ends])
    heights = right + np.concatenate([np.zeros((len(right), 1)), right[:, :-1]], axis=1)
    found: Values = np.sum(np.diff(wrong, axis=1, prepend=0.0) * heights, axis=1) / 2
    return found


def _shares(cumulated: Values) -> Values:
    totals = cumulated[:, -1:]
    shares: Values = np.divide(
        cumulated, totals, out=np.full_like(cumulated, np.nan), where=totals > 0
    )
    return shares


def _points(
    scores: NDArray[np.float32], precision: Values, recall: Values
) -> tuple[CurvePoint, ...]:
    """At most as many points as can be told apart on a screen, the last among them."""
    places = np.unique(np.linspace(0, len(scores) - 1, _MAX_POINTS).round().astype(np.intp))
    return tuple(
        CurvePoint(float(scores[i]), float(precision[i]), float(recall[i])) for i in places
    )
