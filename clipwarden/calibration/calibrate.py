"""From examples to a calibration, with what it is worth on scenes that it was not fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clipwarden.calibration.errors import TooFewExamples
from clipwarden.calibration.examples import Examples
from clipwarden.calibration.links import (
    MIN_SHARED_POSITIVES,
    Fitted,
    Method,
    fit_links,
    held_out_confidences,
    own_confidences,
)
from clipwarden.calibration.picking import Alternative, Thresholds, clean_files
from clipwarden.calibration.reliability import Quality
from clipwarden.calibration.thresholds import Point, Wish, clean_hours
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


@dataclass(frozen=True, eq=False)
class LabelReport:
    """One label: its fit, and figures on held-out scenes.

    `fitted` is None for a label that stays as it is. `before` and `after` are None without
    examples. `threshold` is None where the prompt set's own stays; `unmet` says why, where a
    wish can't be kept. `point` is what the label's threshold does, picked on other scenes than
    those it is tried on. `alarms` are counted in the `clean_hours` of `clean_files`, at thresholds
    picked on the other files where there are any. Frame by frame, `[n]`: `log_odds` of the model's
    own link, confidences `held_out`, those that thresholds are `tried` on (with the prior, if one
    is given), those by the `final` link and prior, and what truth says, `targets`.
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
    clean_files: int
    alternatives: tuple[Alternative, ...]
    log_odds: Values
    held_out: Values
    tried: Values
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
    thresholds = Thresholds(
        examples, tuple(labels), tuple(fits), measured, settings.wish, settings.priors
    )
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
    thresholds: Thresholds,
) -> LabelReport:
    targets = examples.targets[:, column]
    known, truths = targets != IGNORE, targets == POSITIVE
    own, held_out = own_confidences(examples)[:, column], measured[:, column]
    positives, negatives = examples.counts(column)
    pick = thresholds.pick(column)
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
        alarms=thresholds.held_out_alarms(column, pick),
        clean_hours=clean_hours(targets, examples.files),
        clean_files=len(clean_files(targets, examples.files)),
        alternatives=thresholds.alternatives(column, pick),
        log_odds=examples.log_odds[:, column],
        held_out=held_out,
        tried=thresholds.tried(column),
        final=thresholds.final(column),
        targets=targets,
    )
