"""From examples to a calibration, with what it is worth on scenes that it was not fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clipwarden.calibration.errors import TooFewExamples
from clipwarden.calibration.examples import Examples
from clipwarden.calibration.fit import confidences_of, log_odds_shift, shifted
from clipwarden.calibration.links import (
    MIN_SHARED_POSITIVES,
    Fitted,
    Method,
    fit_links,
    held_out_confidences,
    outer_folds,
    own_confidences,
)
from clipwarden.calibration.reliability import Quality
from clipwarden.calibration.thresholds import (
    Curve,
    Pick,
    Point,
    Wish,
    clean_hours,
    false_alarms,
    pick_threshold,
    point_at,
)
from clipwarden.truth.frames import IGNORE, POSITIVE
from prompts.label import Label

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """How to fit and what thresholds are for; `priors` are rates of frames, 0..1, by label."""

    method: Method = "auto"
    share: bool = True
    wish: Wish | None = None
    priors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Alternative:
    """Another threshold and what it would do; alarms only where there is clean footage."""

    point: Point
    alarms_per_hour: float | None


@dataclass(frozen=True, eq=False)
class LabelReport:
    """One label: its fit, and figures on held-out scenes.

    `fitted` is None for a label that stays as it is. `before` and `after` are None without
    examples. `threshold` is None where the prompt set's own stays; `unmet` says why, where a
    wish can't be kept. `point` is what the label's threshold does, picked on other scenes than
    those it is tried on. `alarms` are counted in `clean_hours`. Frame by frame, `[n]`: `log_odds`
    of the model's own link, confidences `held_out` and, by the final link and prior, `final`, and
    what truth says, `targets`.
    """

    label: Label
    fitted: Fitted | None
    positives: int
    negatives: int
    before: Quality | None
    after: Quality | None
    threshold: float | None
    unmet: str
    point: Point
    alarms: int
    clean_hours: float
    alternatives: tuple[Alternative, ...]
    log_odds: Values
    held_out: Values
    final: Values
    targets: NDArray[np.int8]

    @property
    def alarms_per_hour(self) -> float | None:
        """False alarms per hour of clean footage; None without any."""
        return self.alarms / self.clean_hours if self.clean_hours else None


@dataclass(frozen=True, eq=False)
class Calibrated:
    """All labels, and all their examples taken together."""

    labels: tuple[LabelReport, ...]
    before: Quality
    after: Quality
    frames: int
    scenes: int
    files: int


def calibrate(examples: Examples, labels: Sequence[Label], settings: Settings) -> Calibrated:
    """Fit links, pick thresholds, and measure both; `labels` are those of the examples' columns.

    Raises TooFewExamples where no label can be fitted.
    """
    fits = fit_links(examples, settings.method, share=settings.share)
    if not any(fits):
        positives = int((examples.targets == POSITIVE).sum())
        raise TooFewExamples(
            f"the truth shows {positives} frames of what is looked for: too few, or of too few "
            "scenes, to fit anything to.",
            f"Give it at least {MIN_SHARED_POSITIVES} scenes with something in them, and a clean "
            "one; a dozen for each label is better.",
        )
    measured = held_out_confidences(examples, settings.method, share=settings.share)
    known = examples.targets != IGNORE
    truths = (examples.targets == POSITIVE)[known]
    thresholds = _Thresholds(examples, tuple(labels), tuple(fits), measured, settings)
    return Calibrated(
        labels=tuple(
            _report(examples, column, label, fits[column], measured, thresholds)
            for column, label in enumerate(labels)
        ),
        before=Quality.of(own_confidences(examples)[known], truths),
        after=Quality.of(measured[known], truths),
        frames=len(examples.groups),
        scenes=len(np.unique(examples.groups)),
        files=len(examples.files),
    )


def _report(
    examples: Examples,
    column: int,
    label: Label,
    fitted: Fitted | None,
    measured: Values,
    thresholds: _Thresholds,
) -> LabelReport:
    targets = examples.targets[:, column]
    known, truths = targets != IGNORE, targets == POSITIVE
    own, held_out = own_confidences(examples)[:, column], measured[:, column]
    positives, negatives = examples.counts(column)
    pick = thresholds.pick(column)
    alternatives = thresholds.alternatives(column, pick)
    return LabelReport(
        label=label,
        fitted=fitted,
        positives=positives,
        negatives=negatives,
        before=Quality.of(own[known], truths[known]) if known.any() else None,
        after=Quality.of(held_out[known], truths[known]) if known.any() else None,
        threshold=pick.threshold,
        unmet=pick.best,
        point=thresholds.held_out_point(column, pick),
        alarms=thresholds.alarms(column, pick.threshold or label.threshold),
        clean_hours=clean_hours(targets, examples.files),
        alternatives=alternatives,
        log_odds=examples.log_odds[:, column],
        held_out=held_out,
        final=thresholds.final(column),
        targets=targets,
    )


class _Thresholds:
    """Picks thresholds label by label, on confidences as they will be: priors included."""

    def __init__(
        self,
        examples: Examples,
        labels: tuple[Label, ...],
        fits: tuple[Fitted | None, ...],
        measured: Values,
        settings: Settings,
    ) -> None:
        self._examples = examples
        self._labels = labels
        self._fits = fits
        self._wish = settings.wish
        self._fold = outer_folds(examples)
        self._final = own_confidences(examples)
        self._held_out = measured.copy()
        for column, (label, fitted) in enumerate(zip(labels, fits, strict=True)):
            if fitted is None:
                continue
            self._final[:, column] = confidences_of(fitted.link, examples.log_odds[:, column])
            if label.id in settings.priors:
                shift = log_odds_shift(fitted.rate, settings.priors[label.id])
                for confidences in (self._final, self._held_out):
                    confidences[:, column] = shifted(confidences[:, column], shift)

    def final(self, column: int) -> Values:
        """A label's confidences as they will be."""
        return self._final[:, column]

    def pick(self, column: int) -> Pick:
        """The threshold for the wish; the set's own without a wish, or without a fit."""
        return self._pick(column, self._final, np.ones(len(self._fold), np.bool_))

    def held_out_point(self, column: int, pick: Pick) -> Point:
        """What the label's threshold does, where a wish picked it on the other folds each time."""
        label, confidences = self._labels[column], self._held_out[:, column]
        targets, groups = self._examples.targets[:, column], self._examples.groups
        threshold = pick.threshold or label.threshold
        if pick.threshold is None or self._is_about_alarms():
            return point_at(threshold, confidences, targets, groups)
        # Moved so that one threshold stands for all folds'.
        relative = confidences.copy()
        for number in np.unique(self._fold):
            is_out = self._fold == number
            of_fold = self._pick(column, self._held_out, ~is_out).threshold or label.threshold
            relative[is_out] = np.where(confidences[is_out] >= of_fold, 1.0, 0.0)
        return point_at(threshold, relative, targets, groups)

    def alarms(self, column: int, threshold: float) -> int:
        """False alarms that a threshold raises, by held-out confidences."""
        return self._alarms(column, threshold, self._held_out)

    def alternatives(self, column: int, pick: Pick) -> tuple[Alternative, ...]:
        """Other thresholds about the label's, by held-out confidences."""
        confidences, targets = self._held_out[:, column], self._examples.targets[:, column]
        hours = clean_hours(targets, self._examples.files)
        chosen = pick.threshold or self._labels[column].threshold
        return tuple(
            Alternative(
                point_at(threshold, confidences, targets, self._examples.groups),
                self.alarms(column, threshold) / hours if hours else None,
            )
            for threshold in Curve.of(confidences, targets).neighbours(chosen)
        )

    def _pick(self, column: int, confidences: Values, rows: NDArray[np.bool_]) -> Pick:
        fitted = self._fits[column]
        if self._wish is None or fitted is None:
            return Pick(None, "")
        columns = [column]
        if fitted.is_shared and not self._is_about_alarms():
            # Alone it has too few positives for a rate.
            columns = [place for place, one in enumerate(self._fits) if one is fitted]
        chosen = np.ix_(np.flatnonzero(rows), np.array(columns))
        curve = Curve.of(confidences[chosen].ravel(), self._examples.targets[chosen].ravel())
        hours = clean_hours(self._examples.targets[:, column], self._examples.files)

        def alarms_per_hour(threshold: float) -> float | None:
            return self._alarms(column, threshold, confidences) / hours if hours else None

        return pick_threshold(curve, self._wish, alarms_per_hour)

    def _alarms(self, column: int, threshold: float, confidences: Values) -> int:
        return false_alarms(
            self._labels[column],
            threshold,
            confidences[:, column],
            self._examples.targets[:, column],
            self._examples.files,
        )

    def _is_about_alarms(self) -> bool:
        return self._wish is not None and self._wish.kind == "false_alarms_per_hour"
