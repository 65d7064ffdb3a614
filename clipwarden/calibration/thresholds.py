"""Pick the confidence at which a label is found, for what somebody wants of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from clipwarden.calibration.examples import Stretch, Targets
from clipwarden.calibration.reliability import wilson
from clipwarden.truth.frames import IGNORE, NEGATIVE, POSITIVE
from prompts.label import EXIT_FRACTION, Label
from worker.segments import cut_segments

Values = NDArray[np.float64]
WishKind = Literal["precision", "recall", "false_alarms_per_hour"]

_LOWEST: Final = 1e-6
_NEIGHBOURS: Final = (0.5, 0.75, 1.0, 1.5, 2.0)
_US_PER_HOUR: Final = 3_600_000_000
_MOST_DIGITS: Final = 12

_WORDS: Final[dict[WishKind, str]] = {
    "precision": "precision of at least {:g} per frame",
    "recall": "recall of at least {:g} per frame",
    "false_alarms_per_hour": "at most {:g} false alarms per hour",
}


@dataclass(frozen=True)
class Wish:
    """What thresholds are to keep; `value` is in 0..1, or a count per hour."""

    kind: WishKind
    value: float

    @property
    def text(self) -> str:
        """The wish in words."""
        return _WORDS[self.kind].format(self.value)


@dataclass(frozen=True)
class Point:
    """What a threshold does to some frames: `flagged` reach it, `hits` of them rightly.

    `false_weight` is for how many frames of the user's footage one that lacks the label stands, of
    those that show it each standing for one: not 1 where the label is rarer there than in truth.
    `flagged_scenes` and `positive_scenes` are how many scenes these frames, and the `positives`,
    are of: frames of one scene prove hardly more than one of them.
    """

    threshold: float
    flagged: int
    hits: int
    positives: int
    flagged_scenes: int
    positive_scenes: int
    false_weight: float = 1.0

    @property
    def precision(self) -> float | None:
        """Which part of what is flagged is right; None where nothing is."""
        wrong = self.false_weight * (self.flagged - self.hits)
        return self.hits / (self.hits + wrong) if self.flagged else None

    @property
    def recall(self) -> float | None:
        """Which part of what is there is flagged; None where nothing is."""
        return self.hits / self.positives if self.positives else None

    @property
    def precision_interval(self) -> tuple[float, float]:
        """Wilson's 95% interval, with scenes for the number of independent cases."""
        return _interval(self.precision, self.flagged_scenes)

    @property
    def recall_interval(self) -> tuple[float, float]:
        """Wilson's 95% interval, with scenes for the number of independent cases."""
        return _interval(self.recall, self.positive_scenes)


@dataclass(frozen=True, eq=False)
class Curve:
    """All thresholds that differ in what they do, falling, and what each of them does."""

    thresholds: Values
    flagged: NDArray[np.int64]
    hits: NDArray[np.int64]
    precision: Values
    positives: int

    @classmethod
    def of(
        cls, confidences: Values, targets: Targets, false_weights: Values | float = 1.0
    ) -> Curve:
        """Work it out from frames, all `[n]`; those that truth leaves open are passed over.

        `false_weights` are as a Point's `false_weight`.
        """
        known = targets != IGNORE
        weights = np.broadcast_to(np.asarray(false_weights, np.float64), targets.shape)[known]
        order = np.argsort(-confidences[known], kind="stable")
        falling, truths = confidences[known][order], (targets[known] == POSITIVE)[order]
        # The last frame of each level: a threshold takes all that are as confident.
        ends = np.flatnonzero(np.append(falling[:-1] > falling[1:], len(falling) > 0))
        ends = ends[falling[ends] > _LOWEST]
        levels = falling[ends]
        below = np.append(levels[1:], 0.0)
        hits = np.cumsum(truths, dtype=np.int64)[ends]
        wrong = np.cumsum(np.where(truths, 0.0, weights[order]))[ends]
        return cls(
            thresholds=np.array([_between(*pair) for pair in zip(below, levels, strict=True)]),
            flagged=(ends + 1).astype(np.int64),
            hits=hits,
            precision=hits / (hits + wrong),
            positives=int(truths.sum()),
        )

    def neighbours(self, threshold: float) -> list[float]:
        """Thresholds about one that flag half as much up to twice as much, falling."""
        if not len(self.thresholds):
            return []
        place = np.searchsorted(-self.thresholds, -threshold)
        flagged = self.flagged[min(int(place), len(self.flagged) - 1)]
        places = np.searchsorted(self.flagged, [flagged * factor for factor in _NEIGHBOURS])
        chosen = np.unique(np.minimum(places, len(self.thresholds) - 1))
        return [float(one) for one in self.thresholds[chosen]]


@dataclass(frozen=True)
class Pick:
    """A threshold for a wish; where it can't be kept, `threshold` is None and `best` says why."""

    threshold: float | None
    best: str


def pick_threshold(
    curve: Curve, wish: Wish, alarms_per_hour: Callable[[float], float | None]
) -> Pick:
    """Find the threshold that keeps a wish and finds the most, or raises the fewest alarms.

    `alarms_per_hour` gives the false alarms of a threshold, None without clean footage.
    """
    if not len(curve.thresholds):
        return Pick(None, "no frame has any confidence")
    match wish.kind:
        case "precision":
            return _for_precision(curve, wish.value)
        case "recall":
            return _for_recall(curve, wish.value)
        case "false_alarms_per_hour":
            return _for_alarms(curve, wish.value, alarms_per_hour)


def point_at(
    threshold: float,
    confidences: Values,
    targets: Targets,
    groups: NDArray[np.int64],
    false_weight: float = 1.0,
) -> Point:
    """Say what a threshold does to frames, all `[n]`."""
    known = targets != IGNORE
    flagged = known & (confidences >= threshold)
    positive = targets == POSITIVE
    return Point(
        threshold=threshold,
        flagged=int(flagged.sum()),
        hits=int((flagged & positive).sum()),
        positives=int(positive.sum()),
        flagged_scenes=len(np.unique(groups[flagged])),
        positive_scenes=len(np.unique(groups[positive])),
        false_weight=false_weight,
    )


def clean_hours(targets: Targets, files: tuple[Stretch, ...]) -> float:
    """How much footage there is that a label is known not to be in; pictures are none."""
    spoken_us = 0
    for one in filter(is_footage, files):
        is_clean = targets[one.first : one.end] == NEGATIVE
        spoken_us += int((one.times.ends_us - one.times.starts_us)[is_clean].sum())
    return spoken_us / _US_PER_HOUR


def false_alarms(
    label: Label,
    threshold: float,
    confidences: Values,
    targets: Targets,
    files: tuple[Stretch, ...],
) -> int:
    """Count the segments of footage most of whose frames are known not to show the label.

    Not all of them: truth leaves open the frames at the border of two clean scenes.
    """
    moved = label.model_copy(
        update={"threshold": threshold, "exit_threshold": EXIT_FRACTION * threshold}
    )
    count = 0
    for one in filter(is_footage, files):
        of_file = confidences[one.first : one.end].astype(np.float32)
        is_clean = targets[one.first : one.end] == NEGATIVE
        for segment in cut_segments(moved, of_file, one.times):
            of_segment = is_clean[segment.members]
            count += 2 * int(of_segment.sum()) > len(of_segment)
    return count


def is_footage(one: Stretch) -> bool:
    """Whether a file has a length; pictures have none."""
    return one.end - one.first > 1


def _for_precision(curve: Curve, value: float) -> Pick:
    precision = curve.precision
    kept = np.flatnonzero((precision >= value) & (curve.hits > 0))
    if len(kept):
        return Pick(float(curve.thresholds[kept[-1]]), "")
    best = int(np.argmax(precision))
    return Pick(
        None, f"the best precision is {precision[best]:.2f}, at {curve.thresholds[best]:.2g}"
    )


def _for_recall(curve: Curve, value: float) -> Pick:
    if not curve.positives:
        return Pick(None, "no frame shows it")
    kept = np.flatnonzero(curve.hits >= value * curve.positives - 1e-9)
    if len(kept):
        return Pick(float(curve.thresholds[kept[0]]), "")
    return Pick(None, f"the best recall is {curve.hits[-1] / curve.positives:.2f}")


def _for_alarms(
    curve: Curve, value: float, alarms_per_hour: Callable[[float], float | None]
) -> Pick:
    lowest = alarms_per_hour(float(curve.thresholds[0]))
    if lowest is None:
        return Pick(None, "the truth has no clean footage to count them in")
    if lowest > value:
        return Pick(None, f"the fewest are {lowest:.2g}, at {curve.thresholds[0]:.2g}")
    # The lower the threshold the more alarms, but for those that grow together.
    kept, failed = 0, len(curve.thresholds)
    while failed - kept > 1:
        middle = (kept + failed) // 2
        rate = alarms_per_hour(float(curve.thresholds[middle]))
        assert rate is not None
        kept, failed = (middle, failed) if rate <= value else (kept, middle)
    return Pick(float(curve.thresholds[kept]), "")


def _between(low: float, high: float) -> float:
    """The shortest decimal near the middle that is above `low` and at most `high`."""
    middle = (low + high) / 2
    for digits in range(2, _MOST_DIGITS):
        rounded = round(middle, digits)
        if low < rounded <= high and rounded < 1:
            return rounded
    return high if high < 1 else middle


def _interval(rate: float | None, scenes: int) -> tuple[float, float]:
    return (0.0, 1.0) if rate is None else wilson(rate * scenes, scenes)
