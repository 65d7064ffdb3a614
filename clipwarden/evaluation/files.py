"""Flags against pictures and other files that are judged as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clipwarden.evaluation.estimate import Estimate, Resampling, f1, proportion
from clipwarden.evaluation.observation import Observed
from clipwarden.truth.model import is_within


@dataclass(frozen=True)
class FileFigures:
    """How well one label's flags fit the files, or those of all labels together.

    `hard_recall` is of the files that a person may get wrong, too; they are left out of the others.
    For all labels together, a file that has something is right where all of it is found and
    nothing else, and missed or false where not; it can be both.
    """

    recall: Estimate
    hard_recall: Estimate
    precision: Estimate
    f1: Estimate
    right: int
    missed: int
    false: int
    clean: int


@dataclass(frozen=True)
class Verdicts:
    """What became of one file: each 0 or 1."""

    right: bool = False
    missed: bool = False
    false: bool = False
    clean: bool = False


def file_figures(files: Sequence[Observed], label: str | None) -> FileFigures | None:
    """Measure one label, with those below it, or (None) all; None where no file is judged whole."""
    wholes = [one for one in files if one.media.is_whole]
    if not wholes:
        return None
    found = [(_judge(one, label), one.media.scenes[0].is_hard) for one in wholes]
    plain = np.array(
        [
            (one.right, one.missed, one.false, one.clean) if not hard or one.clean else (0, 0, 0, 0)
            for one, hard in found
        ],
        np.float64,
    )
    rarely = np.array([(one.right, one.missed) if hard else (0, 0) for one, hard in found], float)
    right, missed, false, clean = plain.T
    resampling = Resampling.of(len(wholes))
    return FileFigures(
        recall=proportion(right, right + missed, resampling),
        hard_recall=proportion(rarely[:, 0], rarely.sum(axis=1), resampling),
        precision=proportion(right, right + false, resampling),
        f1=f1(right, false, missed, resampling),
        right=int(right.sum()),
        missed=int(missed.sum()),
        false=int(false.sum()),
        clean=int(clean.sum()),
    )


def _judge(one: Observed, label: str | None) -> Verdicts:
    scene = one.media.scenes[0]
    if label is not None:
        flagged = any(is_within(found.label, label) for found in one.found)
        says = scene.verdict(label)
        return Verdicts(
            right=says == "positive" and flagged,
            missed=says == "positive" and not flagged,
            false=says == "negative" and flagged,
            clean=says == "negative",
        )
    labels = {found.label for found in one.found}
    missed = any(not any(map(wanted.accepts, labels)) for wanted in scene.wanted)
    return Verdicts(
        right=bool(scene.wanted) and not missed,
        missed=missed,
        false=any(scene.verdict(found) == "negative" for found in labels),
        clean=not scene.wanted,
    )
