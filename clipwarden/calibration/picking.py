"""Thresholds of all labels: picked on everything, tried on what they were not picked on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipwarden.calibration.examples import Examples, Stretch, Targets
from clipwarden.calibration.fit import confidences_of, log_odds_shift, shifted
from clipwarden.calibration.folds import FOLDS
from clipwarden.calibration.links import Fitted, outer_folds, own_confidences
from clipwarden.calibration.thresholds import (
    Curve,
    Pick,
    Point,
    Wish,
    clean_hours,
    false_alarms,
    is_footage,
    pick_threshold,
    point_at,
)
from clipwarden.truth.frames import NEGATIVE
from prompts.label import Label

Values = NDArray[np.float64]
Folds = NDArray[np.intp]


@dataclass(frozen=True)
class Alternative:
    """Another threshold and what it would do; alarms only where there is clean footage."""

    point: Point
    alarms_per_hour: float | None


class Thresholds:
    """Picks thresholds label by label, on confidences and for rates as they will be.

    `priors` are rates of frames, 0..1, by label: they move confidences, and let false ones count
    for as many as there will be.
    """

    def __init__(
        self,
        examples: Examples,
        labels: tuple[Label, ...],
        fits: tuple[Fitted | None, ...],
        measured: Values,
        wish: Wish | None,
        priors: Mapping[str, float],
    ) -> None:
        self._examples = examples
        self._labels = labels
        self._fits = fits
        self._wish = wish
        self._scene_folds = outer_folds(examples)
        self._final = own_confidences(examples)
        self._tried = measured.copy()
        self._priors = priors
        for column, (label, fitted) in enumerate(zip(labels, fits, strict=True)):
            if fitted is None:
                continue
            self._final[:, column] = confidences_of(fitted.link, examples.log_odds[:, column])
            if label.id in priors:
                shift = log_odds_shift(fitted.rate, priors[label.id])
                for confidences in (self._final, self._tried):
                    confidences[:, column] = shifted(confidences[:, column], shift)

    def final(self, column: int) -> Values:
        """A label's confidences as they will be."""
        return self._final[:, column]

    def tried(self, column: int) -> Values:
        """A label's confidences as they will be, by links fitted on other scenes."""
        return self._tried[:, column]

    def pick(self, column: int) -> Pick:
        """The threshold for the wish; the set's own without a wish, or without a fit."""
        return self._pick(column, self._final, np.ones(len(self._scene_folds), np.bool_))

    def held_out_point(self, column: int, pick: Pick) -> Point:
        """What the label's threshold does, where a wish picked it on the other folds each time."""
        folds = self._clean_folds(column) if self._is_about_alarms() else self._scene_folds
        found = self._tried[:, column] >= self._picked_elsewhere(column, pick, folds)
        # Moved so that one threshold stands for all folds'.
        return self._point(
            column, pick.threshold or self._labels[column].threshold, found.astype(np.float64)
        )

    def held_out_alarms(self, column: int, pick: Pick) -> int:
        """False alarms, where the wish picked the threshold on other files each time."""
        thresholds = self._picked_elsewhere(column, pick, self._clean_folds(column))
        return sum(
            self._alarms(column, float(thresholds[one.first]), self._tried, (one,))
            for one in clean_files(self._examples.targets[:, column], self._examples.files)
        )

    def alternatives(self, column: int, pick: Pick) -> tuple[Alternative, ...]:
        """Other thresholds about the label's, by held-out confidences."""
        confidences, targets = self._tried[:, column], self._examples.targets[:, column]
        files = self._examples.files
        hours = clean_hours(targets, files)
        chosen = pick.threshold or self._labels[column].threshold
        return tuple(
            Alternative(
                self._point(column, threshold, confidences),
                self._alarms(column, threshold, self._tried, files) / hours if hours else None,
            )
            for threshold in Curve.of(confidences, targets).neighbours(chosen)
        )

    def _picked_elsewhere(self, column: int, pick: Pick, folds: Folds) -> Values:
        """For each frame the threshold that all but its fold give; those of fold -1 take part."""
        own = self._labels[column].threshold
        thresholds = np.full(len(folds), pick.threshold or own)
        if pick.threshold is not None:
            for number in np.unique(folds[folds >= 0]):
                is_out = folds == number
                thresholds[is_out] = self._pick(column, self._tried, ~is_out).threshold or own
        return thresholds

    def _clean_folds(self, column: int) -> Folds:
        """Files with clean footage, held out whole as alarms are; -1 elsewhere, or without two."""
        folds = np.full(len(self._scene_folds), -1, np.intp)
        files = clean_files(self._examples.targets[:, column], self._examples.files)
        if len(files) > 1:
            for number, one in enumerate(files):
                folds[one.first : one.end] = number % FOLDS
        return folds

    def _pick(self, column: int, confidences: Values, rows: NDArray[np.bool_]) -> Pick:
        fitted = self._fits[column]
        if self._wish is None or fitted is None:
            return Pick(None, "")
        columns = [column]
        if fitted.is_shared and not self._is_about_alarms():
            # Alone it has too few positives for a rate.
            columns = [place for place, one in enumerate(self._fits) if one is fitted]
        chosen = np.ix_(np.flatnonzero(rows), np.array(columns))
        weights = [self._false_weight(one, fitted.rate) for one in columns]
        curve = Curve.of(
            confidences[chosen].ravel(),
            self._examples.targets[chosen].ravel(),
            np.tile(weights, int(rows.sum())),
        )
        files = tuple(one for one in self._examples.files if rows[one.first : one.end].all())
        hours = clean_hours(self._examples.targets[:, column], files)

        def alarms_per_hour(threshold: float) -> float | None:
            return self._alarms(column, threshold, confidences, files) / hours if hours else None

        pick = pick_threshold(curve, self._wish, alarms_per_hour)
        own = self._labels[column].threshold
        if self._is_about_alarms() and not curve.positives and (pick.threshold or own) < own:
            # There is nothing to be found for the alarms that a lower one would raise.
            return Pick(None, "")
        return pick

    def _point(self, column: int, threshold: float, confidences: Values) -> Point:
        fitted, (positives, negatives) = self._fits[column], self._examples.counts(column)
        weight = 1.0
        if fitted is not None:
            is_told = positives and negatives
            rate = positives / (positives + negatives) if is_told else fitted.rate
            weight = self._false_weight(column, rate)
        targets, groups = self._examples.targets[:, column], self._examples.groups
        return point_at(threshold, confidences, targets, groups, weight)

    def _false_weight(self, column: int, rate: float) -> float:
        """How many frames without the label one stands for, where `rate` show it in truth."""
        prior = self._priors.get(self._labels[column].id)
        return 1.0 if prior is None else math.exp(-log_odds_shift(rate, prior))

    def _alarms(
        self, column: int, threshold: float, confidences: Values, files: tuple[Stretch, ...]
    ) -> int:
        targets = self._examples.targets[:, column]
        return false_alarms(self._labels[column], threshold, confidences[:, column], targets, files)

    def _is_about_alarms(self) -> bool:
        return self._wish is not None and self._wish.kind == "false_alarms_per_hour"


def clean_files(targets: Targets, files: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
    """The footage that has frames which are known not to show a label; `targets` are its `[n]`."""
    return tuple(
        one for one in files if is_footage(one) and (targets[one.first : one.end] == NEGATIVE).any()
    )
