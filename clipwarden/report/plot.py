"""The plot of one prompt set's confidences over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clipwarden.report.axis import Tick, TimeAxis
from clipwarden.report.model import ScoreCurves
from clipwarden.report.wording import clock, score
from worker.document import SegmentInfo

HEIGHT_PX: Final = 200
POINT_WIDTH: Final = 1000.0
POINT_HEIGHT: Final = 100.0
"""The box that a line's points are given in; the browser stretches it to the page's width."""

MAX_LINES: Final = 8
"""More lines can't be told apart; there are as many markers."""

OTHER_LINES: Final = 3
"""Labels without a segment that are drawn too: what was nearly found."""

MARKS_PER_LINE: Final = 5

THRESHOLD_TEXT_GAP: Final = 0.08
"""Thresholds nearer to each other than this share one text, or theirs would overlap."""

DASHES: Final = ("none", "9 4", "3 3", "12 3 3 3")

MARKERS: Final = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.5-3.5h7v7h-7z",
    "M0-4.5l4.5 8h-9z",
    "M0-5l5 5l-5 5l-5-5z",
    "M0 4.5l4.5-8h-9z",
    "M-1.5-5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5z",
    "M-5-2h10v4h-10z",
    "M-2-5h4v10h-4z",
)
"""Outlines about the origin: disc, square, triangle, diamond, triangle down, cross, two bars."""


@dataclass(frozen=True)
class Mark:
    """Where a line's marker stands: percent of the width, px from the top."""

    x_percent: float
    y_px: float


@dataclass(frozen=True)
class Line:
    """One label's confidences; `points` is what an SVG polyline takes.

    `number` chooses the colour; `segments` of 0 means that the label was not found.
    """

    number: int
    label: str
    dash: str
    marker: str
    points: str
    marks: tuple[Mark, ...]
    highest: str
    highest_at: str
    threshold: str
    segments: int


@dataclass(frozen=True)
class ThresholdLine:
    """An enter threshold; of some that lie near each other the highest has the text for all."""

    y_px: float
    text: str | None


@dataclass(frozen=True)
class Plot:
    """The whole drawing; `frames_per_point` above 1 says that not every frame is drawn."""

    prompt_set: str
    lines: tuple[Line, ...]
    thresholds: tuple[ThresholdLine, ...]
    ticks: tuple[Tick, ...]
    height_px: int
    span_ms: int
    labels_left_out: int
    frames_per_point: float
    summary: str


def lay_out_plot(
    curves: ScoreCurves, segments: Sequence[SegmentInfo], axis: TimeAxis, max_points: int
) -> Plot:
    """Draw the labels that have segments and the highest others; needs at least one frame."""
    own = [segment for segment in segments if segment.prompt_set == curves.prompt_set]
    found = Counter(segment.label for segment in own)
    columns = _choose(curves, own)
    lines = tuple(
        _line(curves, column, number, found, axis, max_points)
        for number, column in enumerate(columns)
    )
    return Plot(
        prompt_set=curves.prompt_set,
        lines=lines,
        thresholds=_threshold_lines(curves, columns),
        ticks=axis.ticks(),
        height_px=HEIGHT_PX,
        span_ms=axis.span_ms,
        labels_left_out=len(curves.labels) - len(lines),
        frames_per_point=max(1.0, len(curves.times_ms) / max_points),
        summary="; ".join(
            f"{line.label}: highest {line.highest} at {line.highest_at}, threshold {line.threshold}"
            for line in lines
        ),
    )


def thin_out(values: NDArray[np.float32], max_points: int) -> NDArray[np.intp]:
    """Return the rising indices of at most `max_points` values, every peak among them.

    The values are split into runs of equal length, and each gives its highest: a frame above
    the threshold must be seen, one below it among such frames need not be.
    """
    if len(values) <= max_points:
        return np.arange(len(values))
    runs = np.array_split(np.arange(len(values)), max_points)
    return np.array([run[np.argmax(values[run])] for run in runs], np.intp)


def _choose(curves: ScoreCurves, segments: Sequence[SegmentInfo]) -> list[int]:
    """Return the columns to draw: the strongest actions first, then the highest confidences."""
    strength: dict[str, int] = {}
    for segment in segments:
        strength[segment.label] = max(segment.action.strength, strength.get(segment.label, 0))
    highest = curves.confidences.max(axis=0)
    ranked = [int(column) for column in np.argsort(-highest, kind="stable")]
    with_segments = [column for column in ranked if curves.labels[column] in strength]
    with_segments.sort(key=lambda column: -strength[curves.labels[column]])
    others = [column for column in ranked if curves.labels[column] not in strength]
    return [*with_segments, *others[:OTHER_LINES]][:MAX_LINES]


def _line(
    curves: ScoreCurves,
    column: int,
    number: int,
    found: Counter[str],
    axis: TimeAxis,
    max_points: int,
) -> Line:
    values = curves.confidences[:, column]
    kept = thin_out(values, max_points)
    xs = [axis.percent(int(position)) for position in curves.times_ms[kept]]
    peak = int(np.argmax(values))
    return Line(
        number=number,
        label=curves.labels[column],
        dash=DASHES[number % len(DASHES)],
        marker=MARKERS[number],
        points=_points(xs, values[kept]),
        marks=_marks(curves.times_ms, values, axis),
        highest=score(float(values[peak])),
        highest_at=clock(int(curves.times_ms[peak])),
        threshold=score(curves.thresholds[column]),
        segments=found[curves.labels[column]],
    )


def _points(xs_percent: Sequence[float], values: NDArray[np.float32]) -> str:
    scale = POINT_WIDTH / 100
    return " ".join(
        f"{x * scale:.2f},{POINT_HEIGHT * (1 - float(value)):.1f}"
        for x, value in zip(xs_percent, values, strict=True)
    )


def _marks(
    times_ms: NDArray[np.int64], values: NDArray[np.float32], axis: TimeAxis
) -> tuple[Mark, ...]:
    """Mark the highest point of each part of the line: there it stands clear of the others."""
    places = thin_out(values, MARKS_PER_LINE)
    return tuple(
        Mark(x_percent=axis.percent(int(times_ms[place])), y_px=_y_px(float(values[place])))
        for place in places
    )


def _threshold_lines(curves: ScoreCurves, columns: Sequence[int]) -> tuple[ThresholdLine, ...]:
    lines: list[ThresholdLine] = []
    lowest: float | None = None
    distinct = sorted({curves.thresholds[column] for column in columns})
    for threshold, following in zip_longest(distinct, distinct[1:]):
        lowest = threshold if lowest is None else lowest
        text = None
        if following is None or following - threshold >= THRESHOLD_TEXT_GAP:
            texts = (score(lowest), score(threshold))
            text, lowest = texts[0] if lowest == threshold else "–".join(texts), None
        lines.append(ThresholdLine(y_px=_y_px(threshold), text=text))
    return tuple(lines)


def _y_px(confidence: float) -> float:
    return round(HEIGHT_PX * (1 - confidence), 1)
