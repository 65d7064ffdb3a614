"""A calibration in words: the cells of its tables, and what must be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from clipwarden.calibration.calibrate import Calibrated, LabelReport, Settings
from clipwarden.calibration.fit import Kind
from clipwarden.calibration.links import MIN_POSITIVES, MIN_SCENES
from clipwarden.calibration.reliability import Quality
from clipwarden.calibration.thresholds import Point
from clipwarden.report.wording import count
from prompts.calibration import Calibration

NOTHING: Final = "–"

_KINDS: Final[dict[Kind, str]] = {
    "own": "the model's own",
    "platt": "Platt",
    "isotonic": "isotonic",
}

Cell = tuple[str, str]
"""A column's name, and what stands there."""


@dataclass(frozen=True)
class CalibrationFacts:
    """What a calibration was made from and with."""

    truth: str
    truth_sha256: str
    settings: Settings
    calibration: Calibration
    created_at: datetime
    version: str


def headline(facts: CalibrationFacts, calibrated: Calibrated) -> str:
    """What was fitted to what."""
    made = facts.calibration
    return (
        f"{made.prompt_set} {made.prompt_set_version}, {made.model_id}, {made.sampling}: fitted to "
        f"{count(calibrated.frames, 'frame')} of {count(calibrated.scenes, 'scene')}"
    )


def label_cells(one: LabelReport) -> list[Cell]:
    """A label's figures."""
    threshold = one.point.threshold
    alarms = one.alarms_per_hour
    return [
        ("shown in", f"{one.positives:,} of {one.positives + one.negatives:,}"),
        ("link", link_words(one)),
        ("error", error_words(one.before, one.after)),
        ("threshold", f"{threshold:.4g}" + ("" if one.threshold else " (set's)")),
        ("precision", rate_words(one.point.precision, one.point.precision_interval)),
        ("recall", rate_words(one.point.recall, one.point.recall_interval)),
        ("alarms/h", NOTHING if alarms is None else f"{alarms:.3g}"),
    ]


def link_words(one: LabelReport) -> str:
    """What turns a label's margins into confidences."""
    if one.fitted is None:
        return "uncalibrated"
    return ("shared, " if one.fitted.is_shared else "") + _KINDS[one.fitted.kind]


def error_words(before: Quality | None, after: Quality | None) -> str:
    """The expected calibration error before and after, in hundredths."""
    if before is None or after is None:
        return NOTHING
    return f"{100 * before.ece:.2f}% → {100 * after.ece:.2f}%"


def rate_words(rate: float | None, interval: tuple[float, float]) -> str:
    """A rate with its interval."""
    return NOTHING if rate is None else f"{rate:.2f} [{interval[0]:.2f}–{interval[1]:.2f}]"


def alternative_words(point: Point, alarms_per_hour: float | None) -> str:
    """What another threshold would do."""
    rates = {"precision": point.precision, "recall": point.recall}
    words = [f"{name} {rate:.2f}" for name, rate in rates.items() if rate is not None]
    if alarms_per_hour is not None:
        words.append(f"{alarms_per_hour:.3g} alarms/h")
    return f"{point.threshold:.4g}: {', '.join(words) or 'nothing flagged'}"


def cautions(facts: CalibrationFacts, calibrated: Calibrated) -> list[str]:
    """What must be known by whoever relies on it."""
    found = []
    shared = [one for one in calibrated.labels if one.fitted is not None and one.fitted.is_shared]
    left = [one.label.id for one in calibrated.labels if one.fitted is None]
    if shared:
        found.append(
            f"{count(len(shared), 'label')} share one link, fitted on all labels together: they "
            f"show fewer than {MIN_POSITIVES} frames of {MIN_SCENES} scenes, or do no better by "
            "themselves. It is right on average over them, not for each."
        )
    if left:
        found.append(f"Too few examples, so they stay uncalibrated: {', '.join(left)}.")
    for one in calibrated.labels:
        if one.unmet:
            found.append(
                f"{one.label.id}: the target can't be kept, {one.unmet}. The prompt set's own "
                "threshold stays."
            )
    if calibrated.after.log_loss >= calibrated.before.log_loss:
        found.append(
            "On scenes that were held out it does no better than the model's own scale (log loss "
            f"{calibrated.before.log_loss:.4f} → {calibrated.after.log_loss:.4f}): give it more "
            "scenes, or leave it out of use with --no-activate."
        )
    found += _prior_cautions(facts, calibrated)
    found += _alarm_cautions(facts, calibrated)
    return found


def _prior_cautions(facts: CalibrationFacts, calibrated: Calibrated) -> list[str]:
    priors = facts.settings.priors
    fitted = {one.label.id for one in calibrated.labels if one.fitted is not None}
    unused = sorted(set(priors) - fitted)
    found = []
    if unused:
        found.append(f"--prior changes nothing where nothing was fitted: {', '.join(unused)}.")
    if fitted.intersection(priors):
        found.append(
            "Precision is what it would be at the rates given with --prior; errors and plots of "
            "what came true are at the truth's own."
        )
    if not priors:
        found.append(
            "How often a label is shown in the truth was taken for how often it is in your "
            "footage. Where it is rarer there, say so: --prior LABEL=RATE."
        )
    return found


def _alarm_cautions(facts: CalibrationFacts, calibrated: Calibrated) -> list[str]:
    found = []
    picked = [one for one in calibrated.labels if one.threshold is not None]
    if any(one.clean_files == 1 for one in picked):
        found.append(
            "The clean footage is all of one file: alarms/h are of what thresholds were picked on, "
            "too. Expect more."
        )
    wish = facts.settings.wish
    hours = max((one.clean_hours for one in calibrated.labels), default=0.0)
    if wish is not None and wish.kind == "false_alarms_per_hour" and hours * wish.value < 3:
        # The rule of three: no alarm in n hours leaves up to 3/n per hour likely.
        found.append(
            f"The truth has {hours:.3g} hours of clean footage: without any alarm in it, the rate "
            f"may still be {3 / hours:.2g} per hour."
            if hours
            else "The truth has no clean footage to count false alarms in."
        )
    return found
