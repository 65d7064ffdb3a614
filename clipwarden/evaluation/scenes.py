"""Segments against scenes: what is found, what is false, and how exactly it is placed.

A label is found in a scene where one segment of it, or of a label below it, lasts for at least
half of the scene. A segment is right where at least half of it lies in stretches that have the
label, or may have it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clipwarden.evaluation.curves import FEW_FILES
from clipwarden.evaluation.estimate import (
    Estimate,
    Resampling,
    median,
    proportion,
    rate,
    ratio,
    regroup,
)
from clipwarden.evaluation.observation import (
    Found,
    Observed,
    Stretch,
    covered_us,
    end_us,
    overlap_us,
    within,
)
from clipwarden.truth.model import Scene, Wanted, is_within

COVERED: Final = 0.5
"""The share of a scene that a segment must last for, and of a segment that must be right."""

_US_PER_HOUR: Final = 3_600_000_000


@dataclass(frozen=True)
class SceneFigures:
    """How well one label's segments fit the scenes, or those of all labels together.

    `hard_recall` is of the scenes that a person may get wrong, too; they are left out of `recall`
    and `temporal_iou`. `clean_scene_alarm_rate` is the share of the scenes without the label that
    a segment covers at least half of. `false_alarms` counts wrong segments, also those in scenes
    that have something else; the rate has the ones on footage without the label alone. Errors are
    absolute, over all scenes found.
    """

    recall: Estimate
    hard_recall: Estimate
    precision: Estimate
    false_alarms: int
    false_alarms_per_hour: Estimate
    clean_scene_alarm_rate: Estimate
    temporal_iou: Estimate
    start_error_ms: Estimate
    end_error_ms: Estimate


@dataclass
class _Tally:
    """Counts per stretch of all files, in one order for every count."""

    file: list[int] = field(default_factory=list)
    counts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    start_errors: list[tuple[int, float]] = field(default_factory=list)
    end_errors: list[tuple[int, float]] = field(default_factory=list)

    def open(self, file: int, pieces: int) -> int:
        """Make room for a file's stretches and return the place of the first."""
        first = len(self.file)
        self.file += [file] * pieces
        for name in _COUNTS:
            self.counts[name] += [0.0] * pieces
        return first

    def add(self, name: str, place: int, amount: float = 1.0) -> None:
        self.counts[name][place] += amount


_COUNTS: Final = (
    *("found", "expected", "hard_found", "hard_expected", "right", "segments"),
    *("alarms", "clean_us", "clean_alarmed", "clean_scenes", "shared_us", "joined_us"),
)


def scene_figures(files: Sequence[Observed], label: str | None) -> SceneFigures:
    """Measure one label, with those below it, or (None) all labels together, each for itself."""
    tally = _Tally()
    for one in files:
        # Of when a label holds in a file that is judged as a whole nobody said anything.
        whole = one.media.scenes[0] if one.media.is_whole else None
        if one.is_picture or (whole is not None and _verdict_is_open(whole, label)):
            continue
        _count(tally, one, label)
    return _figures(tally)


def is_found(wanted: Wanted, scene: Scene, one: Observed, label: str | None = None) -> list[Found]:
    """The segments that find something wanted in a scene, by its own label or by the one given."""
    start, end = scene.start_us, end_us(scene, one.duration_us)
    return [
        found
        for found in one.during(start, end)
        if (wanted.accepts(found.label) if label is None else is_within(found.label, label))
        and _covers(found, start, end)
    ]


def is_right(found: Found, pieces: Sequence[Stretch], label: str | None = None) -> bool:
    """Whether truth has a segment's label, or the one given, in at least half of its time."""
    looked_for = found.label if label is None else label
    right_us = sum(
        overlap_us(found, piece.start_us, piece.end_us)
        for piece in (pieces[place] for place in within(pieces, found.start_us, found.end_us))
        if piece.verdict(looked_for) != "negative"
    )
    return right_us >= COVERED * (found.end_us - found.start_us)


def _covers(found: Found, start_us: int, end_us: int) -> bool:
    return overlap_us(found, start_us, end_us) >= COVERED * (end_us - start_us)


def _verdict_is_open(scene: Scene, label: str | None) -> bool:
    return bool(scene.wanted) if label is None else scene.verdict(label) != "negative"


def _count(tally: _Tally, one: Observed, label: str | None) -> None:
    pieces = one.pieces
    if not pieces:
        return
    first = tally.open(one.media.index, len(pieces))
    segments = _of_label(one.found, label)
    for scene in one.media.scenes:
        _count_scene(tally, first, one, scene, label)
    for found in segments:
        place = first + _most_of(found, pieces)
        right = is_right(found, pieces, label)
        tally.add("segments", place)
        tally.add("right", place, float(right))
        if not right and pieces[place - first].verdict(label) == "negative":
            tally.add("alarms", place)
    for place, piece in enumerate(pieces, start=first):
        here = _of_label(one.during(piece.start_us, piece.end_us), label)
        _count_time(tally, place, piece, here, label)


def _of_label(segments: Sequence[Found], label: str | None) -> list[Found]:
    return [found for found in segments if label is None or is_within(found.label, label)]


def _count_scene(tally: _Tally, first: int, one: Observed, scene: Scene, label: str | None) -> None:
    start, end = scene.start_us, end_us(scene, one.duration_us)
    inside = within(one.pieces, start, end)
    # What lies behind the end of the file is missed in its last stretch.
    place = first + min(inside.start, len(one.pieces) - 1)
    if inside and all(one.pieces[n].verdict(label) == "negative" for n in inside):
        here = _of_label(one.during(start, end), label)
        is_alarmed = any(_covers(found, start, end) for found in here)
        tally.add("clean_scenes", place)
        tally.add("clean_alarmed", place, float(is_alarmed))
    kind = "hard_" if scene.is_hard else ""
    for wanted in _expected(scene, label):
        matched = is_found(wanted, scene, one, label)
        tally.add(f"{kind}expected", place)
        tally.add(f"{kind}found", place, float(bool(matched)))
        if matched:
            tally.start_errors.append((place, abs(matched[0].start_us - start) / 1000))
            tally.end_errors.append((place, abs(matched[0].end_us - end) / 1000))


def _expected(scene: Scene, label: str | None) -> Sequence[Wanted]:
    """What is to be found in a scene: all that is wanted, or the label, once."""
    if label is None:
        return scene.wanted
    return [one for one in scene.wanted if one.implies(label)][:1]


def _count_time(
    tally: _Tally, place: int, piece: Stretch, segments: Sequence[Found], label: str | None
) -> None:
    says = piece.verdict(label)
    if says == "negative":
        tally.add("clean_us", place, piece.length_us)
    if says == "unknown" or (says == "positive" and piece.is_hard):
        return
    covered = covered_us(segments, piece.start_us, piece.end_us)
    tally.add("shared_us", place, covered if says == "positive" else 0)
    tally.add("joined_us", place, piece.length_us if says == "positive" else covered)


def _most_of(found: Found, pieces: Sequence[Stretch]) -> int:
    """The stretch that most of a segment lies in; the last one for what lies behind the end."""
    places = within(pieces, found.start_us, found.end_us)
    overlaps = {n: overlap_us(found, pieces[n].start_us, pieces[n].end_us) for n in places}
    return max(overlaps, key=lambda n: overlaps[n], default=len(pieces) - 1)


def _figures(tally: _Tally) -> SceneFigures:
    file = np.unique(np.array(tally.file, np.intp), return_inverse=True)[1].astype(np.intp)
    files = int(file.max(initial=-1)) + 1
    units = file if files >= FEW_FILES else np.arange(len(file), dtype=np.intp)
    arrays = regroup([np.array(tally.counts[name], float) for name in _COUNTS], units)
    counts = dict(zip(_COUNTS, arrays, strict=True))
    resampling = Resampling.of(int(units.max(initial=-1)) + 1)
    segments = counts["segments"]
    return SceneFigures(
        recall=proportion(counts["found"], counts["expected"], resampling),
        hard_recall=proportion(counts["hard_found"], counts["hard_expected"], resampling),
        precision=proportion(counts["right"], segments, resampling),
        false_alarms=round(float(segments.sum() - counts["right"].sum())),
        false_alarms_per_hour=rate(counts["alarms"], counts["clean_us"] / _US_PER_HOUR, resampling),
        clean_scene_alarm_rate=proportion(
            counts["clean_alarmed"], counts["clean_scenes"], resampling
        ),
        temporal_iou=ratio(
            counts["shared_us"],
            counts["joined_us"],
            resampling,
            n=float(counts["expected"].sum()),
        ),
        start_error_ms=_median(tally.start_errors, units, resampling),
        end_error_ms=_median(tally.end_errors, units, resampling),
    )


def _median(
    errors: Sequence[tuple[int, float]], units: NDArray[np.intp], resampling: Resampling
) -> Estimate:
    values = np.array([error for _, error in errors], np.float64)
    places = np.array([place for place, _ in errors], np.intp)
    return median(values, units[places], resampling)
