"""Measure the results of all files of a truth, label by label and over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from clipwarden.evaluation.curves import FEW_FILES, Curve, curve_of
from clipwarden.evaluation.files import FileFigures, file_figures
from clipwarden.evaluation.mistakes import Mistake, mistakes
from clipwarden.evaluation.observation import Observed
from clipwarden.evaluation.scenes import SceneFigures, scene_figures
from clipwarden.truth.frames import JudgedFrames, join_frames
from clipwarden.truth.model import is_within


@dataclass(frozen=True)
class LabelFigures:
    """One label's figures, or (`label` None) those of all labels together.

    `scenes` is None where no file has a length, `files` where none is judged as a whole, `curve`
    for all labels together, and for what is no label itself but the parent of some. Labels below
    the label count for it throughout.
    """

    label: str | None
    scenes: SceneFigures | None
    files: FileFigures | None
    curve: Curve | None


@dataclass(frozen=True)
class Figures:
    """All that was measured: over all, for each label that was wanted or found, every mistake.

    `unit` is what intervals draw anew: files, or where they are few, the scenes of the videos.
    """

    overall: LabelFigures
    labels: tuple[LabelFigures, ...]
    mistakes: tuple[Mistake, ...]
    videos: int
    pictures: int
    footage_us: int
    unit: Literal["file", "scene"]


def measure(files: Sequence[Observed], labels: Sequence[str]) -> Figures:
    """Measure results against truth, which speaks of `labels`; the order of files is no matter."""
    ordered = sorted(files, key=lambda one: one.media.index)
    frames = (_with_children(one.frames, labels) for one in ordered)
    curves = {label: curve_of(found) for label, found in join_frames(frames, labels).items()}
    rows = _rows(ordered, labels)
    videos = [one for one in ordered if not one.is_picture]
    return Figures(
        overall=_figures(ordered, None, None),
        labels=tuple(_figures(ordered, label, curves.get(label)) for label in rows),
        mistakes=tuple(mistakes(ordered, labels)),
        videos=len(videos),
        pictures=len(ordered) - len(videos),
        footage_us=sum(one.duration_us for one in videos),
        unit="scene" if 0 < len(videos) < FEW_FILES else "file",
    )


def _figures(files: Sequence[Observed], label: str | None, curve: Curve | None) -> LabelFigures:
    has_length = any(not one.is_picture for one in files)
    return LabelFigures(
        label=label,
        scenes=scene_figures(files, label) if has_length else None,
        files=file_figures(files, label),
        curve=curve,
    )


def _with_children(frames: JudgedFrames, labels: Sequence[str]) -> JudgedFrames:
    """Give each label the highest confidence of itself and those below it: any of them finds it."""
    confidences = np.empty_like(frames.confidences)
    for column, label in enumerate(labels):
        columns = [place for place, one in enumerate(labels) if is_within(one, label)]
        confidences[:, column] = frames.confidences[:, columns].max(axis=1)
    return replace(frames, confidences=confidences)


def _rows(files: Sequence[Observed], labels: Sequence[str]) -> list[str]:
    """Labels that are wanted or found somewhere, in the order of their names."""
    wanted = {
        root
        for one in files
        for scene in one.media.scenes
        for want in scene.wanted
        for root in want.labels
    }
    found = {found.label for one in files for found in one.found}
    return sorted(wanted | found.intersection(labels))
