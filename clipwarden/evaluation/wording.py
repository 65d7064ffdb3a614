"""How figures of an evaluation are written for people, on a terminal and on a page."""

from __future__ import annotations

from clipwarden.evaluation.estimate import Estimate
from clipwarden.evaluation.mistakes import Mistake
from clipwarden.evaluation.run import LabelFigures
from clipwarden.report.wording import clock, short_hash

ALL_LABELS = "all labels"

Cell = tuple[str, str]


def interval_words(unit: str) -> str:
    """Say what stands in brackets, and what stands there instead."""
    return (
        f"In brackets 95% intervals, by 1000 draws of {unit}s; `of n` stands where n cases, or the "
        f"{unit}s they are of, are too few or too much alike to say."
    )


def in_sample_words(calibration: str | None) -> str | None:
    """What must be known of figures that a calibration has a part in."""
    if calibration is None:
        return None
    return (
        f"Where calibration {short_hash(calibration)} was fitted on these files, figures are "
        "better than on others: measure on other files, or with --calibration none."
    )


def share(estimate: Estimate) -> str:
    """Write a share with its interval: `0.83 (0.44–1.00)`; `0.50 of 2` where that says little."""
    return _words(estimate, "{:.2f}")


def number(estimate: Estimate) -> str:
    """Write a rate or an error in milliseconds in the same way, without decimals from ten on."""
    value = estimate.value or 0.0
    return _words(estimate, "{:.0f}" if value >= 10 else "{:.1f}")


def counted(estimate: Estimate) -> str:
    """Write how many of how many a share is: `5/6`."""
    if estimate.value is None:
        return "–"
    return f"{round(estimate.value * estimate.n)}/{round(estimate.n)}"


def scene_cells(figures: LabelFigures) -> list[Cell]:
    """A label's figures on scenes, each with its name; hard scenes are counted beside."""
    scenes = figures.scenes
    if scenes is None:
        return []
    hard = counted(scenes.hard_recall)
    return [
        ("found", counted(scenes.recall) + (f", hard {hard}" if hard != "–" else "")),
        ("recall", share(scenes.recall)),
        ("precision", share(scenes.precision)),
        ("false/h", number(scenes.false_alarms_per_hour)),
        ("clean scenes hit", share(scenes.clean_scene_alarm_rate)),
        ("IoU", share(scenes.temporal_iou)),
        ("start ms", number(scenes.start_error_ms)),
        ("end ms", number(scenes.end_error_ms)),
    ]


def file_cells(figures: LabelFigures) -> list[Cell]:
    """A label's figures on pictures and other files judged as a whole, each with its name."""
    files = figures.files
    if files is None:
        return []
    hard = counted(files.hard_recall)
    return [
        ("found", counted(files.recall) + (f", hard {hard}" if hard != "–" else "")),
        ("recall", share(files.recall)),
        ("false", f"{files.false}/{files.clean}" if figures.label else str(files.false)),
        ("precision", share(files.precision)),
        ("F1", share(files.f1)),
    ]


def frame_cells(figures: LabelFigures) -> list[Cell]:
    """How well a label ranks frames, each figure with its name."""
    curve = figures.curve
    if curve is None:
        return []
    return [
        ("frames", f"{curve.positives:,}/{curve.positives + curve.negatives:,}"),
        ("average precision", share(curve.average_precision)),
        ("ROC area", share(curve.roc_auc)),
    ]


def mistake_words(mistake: Mistake) -> str:
    """Say what happened to a scene or segment, without the file's name."""
    when = ""
    if mistake.start_ms is not None and mistake.end_ms is not None:
        when = f"{clock(mistake.start_ms)}–{clock(mistake.end_ms)} "
    confidence = "not looked at" if mistake.confidence is None else f"{mistake.confidence:.2f}"
    if mistake.kind == "missed":
        found = "" if mistake.confidence is None else "at most "
        words = f"{when}missed {mistake.label}, {found}{confidence}"
    else:
        truth = f", there is {', '.join(mistake.truth)}" if mistake.truth else ""
        words = f"{when}false {mistake.label}, {confidence}{truth}"
    what = f" ({mistake.what})" if mistake.what else ""
    return f"{words}{what}{', hard' if mistake.hard else ''}"


def _words(estimate: Estimate, form: str) -> str:
    if estimate.value is None:
        return "–"
    value = form.format(estimate.value)
    if estimate.low is None or estimate.high is None:
        return f"{value} of {estimate.n:.0f}"
    return f"{value} ({form.format(estimate.low)}–{form.format(estimate.high)})"
