"""What went wrong, one by one, so that somebody can look at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clipwarden.evaluation.observation import Observed, end_us
from clipwarden.evaluation.scenes import is_found, is_right
from clipwarden.truth.model import Scene, Wanted, is_within


@dataclass(frozen=True)
class Mistake:
    """A scene without its segment, or a segment without its scene.

    `confidence` is the segment's, or the highest of the wanted labels in a missed scene, None
    where no frame of it was looked at. `truth` is what the truth has there, `what` its own
    description of it. For a file judged as a whole there are no times.
    """

    kind: Literal["missed", "false_alarm"]
    file: str
    label: str
    start_ms: int | None
    end_ms: int | None
    confidence: float | None
    truth: tuple[str, ...]
    what: str | None
    hard: bool


def mistakes(files: Sequence[Observed], labels: Sequence[str]) -> list[Mistake]:
    """All mistakes in the order of files and time; `labels` are those that truth speaks of."""
    ordered = sorted(files, key=lambda one: one.media.index)
    return [mistake for one in ordered for mistake in _of_file(one, labels)]


def _of_file(one: Observed, labels: Sequence[str]) -> Iterator[Mistake]:
    found = [*_missed(one, labels), *_false(one)]
    yield from sorted(found, key=lambda mistake: (mistake.start_ms or 0, mistake.label))


def _missed(one: Observed, labels: Sequence[str]) -> Iterator[Mistake]:
    for scene in one.media.scenes:
        for wanted in scene.wanted:
            is_there = (
                any(wanted.accepts(found.label) for found in one.found)
                if one.media.is_whole
                else is_found(wanted, scene, one)
            )
            if not is_there:
                yield Mistake(
                    kind="missed",
                    file=one.media.name,
                    label=" or ".join(wanted.labels),
                    start_ms=None if one.media.is_whole else round(scene.start_us / 1000),
                    end_ms=None if scene.end_us is None else round(scene.end_us / 1000),
                    confidence=_highest(one, scene, wanted, labels),
                    truth=tuple(other.tag for other in scene.wanted),
                    what=scene.what,
                    hard=scene.is_hard,
                )


def _false(one: Observed) -> Iterator[Mistake]:
    for found in one.found:
        whole = one.media.scenes[0] if one.media.is_whole else None
        right = (
            is_right(found, one.pieces)
            if whole is None
            else whole.verdict(found.label) != "negative"
        )
        if not right:
            here = _scene_under(one, (found.start_us + found.end_us) // 2)
            yield Mistake(
                kind="false_alarm",
                file=one.media.name,
                label=found.label,
                start_ms=None if one.is_picture else round(found.start_us / 1000),
                end_ms=None if one.is_picture else round(found.end_us / 1000),
                confidence=round(found.confidence, 4),
                truth=() if here is None else tuple(wanted.tag for wanted in here.wanted),
                what=None if here is None else here.what,
                hard=here is not None and here.is_hard,
            )


def _highest(one: Observed, scene: Scene, wanted: Wanted, labels: Sequence[str]) -> float | None:
    columns = [
        column
        for column, label in enumerate(labels)
        if any(is_within(label, root) for root in wanted.labels)
    ]
    end = end_us(scene, one.duration_us)
    rows = np.flatnonzero((one.shown_us >= scene.start_us) & (one.shown_us < end))
    if not len(rows) or not columns:
        return None
    return round(float(one.frames.confidences[rows][:, columns].max()), 4)


def _scene_under(one: Observed, time_us: int) -> Scene | None:
    for scene in one.media.scenes:
        if scene.start_us <= time_us < max(end_us(scene, one.duration_us), scene.start_us + 1):
            return scene
    return None
