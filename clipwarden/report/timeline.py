"""The timeline of one video: a lane per label that has segments, the segments as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from clipwarden.report.axis import Tick, TimeAxis
from clipwarden.report.wording import clock, count, score
from prompts.actions import Action, strongest
from worker.document import SegmentInfo

LANE_HEIGHT_PX: Final = 42
LANE_TEXT_PX: Final = 13
"""From a lane's top to the baseline of its name."""

BAR_BASE_PX: Final = 36
"""From a lane's top to the line its bars stand on."""

BAR_HEIGHT_PX: Final[Mapping[Action, int]] = {
    Action.ALLOW: 4,
    Action.NOTE: 8,
    Action.REVIEW: 12,
    Action.BLOCK: 17,
}
"""The stronger the action the taller the bar: it must be told without seeing colours."""

MIN_BAR_PERCENT: Final = 0.4
"""Two seconds of a long film would be thinner than a pixel; 0.4% of a telephone's width is one."""

CUTS_WIDTH: Final = 1000
"""Places at which a cut is drawn: a line more for every pixel of a wide screen says no more."""


@dataclass(frozen=True)
class Bar:
    """One segment: x and width in percent of the axis, y and height in px of the drawing."""

    x_percent: float
    width_percent: float
    y_px: int
    height_px: int
    action: Action
    text: str


@dataclass(frozen=True)
class Lane:
    """One label's segments; `action` and `nsfw` are the strongest of them."""

    prompt_set: str
    label: str
    action: Action
    nsfw: bool
    text_y_px: int
    base_y_px: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Timeline:
    """The whole drawing; `summary` says in words what it shows.

    `cuts` are the lines between shots as a path in a box CUTS_WIDTH wide and 1 high, or empty.
    """

    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    lanes_height_px: int
    cuts: str
    summary: str


def lay_out_timeline(
    segments: Sequence[SegmentInfo], axis: TimeAxis, cuts_ms: Sequence[int] = ()
) -> Timeline:
    """Place segments in lanes, those of the strongest action first."""
    grouped: dict[tuple[str, str], list[SegmentInfo]] = {}
    for segment in segments:
        grouped.setdefault((segment.prompt_set, segment.label), []).append(segment)
    ranked = sorted(
        grouped.items(), key=lambda item: (-strongest(s.action for s in item[1]).strength, item[0])
    )
    lanes = tuple(
        _lane(prompt_set, label, members, index * LANE_HEIGHT_PX, axis)
        for index, ((prompt_set, label), members) in enumerate(ranked)
    )
    return Timeline(
        lanes=lanes,
        ticks=axis.ticks(),
        lanes_height_px=len(lanes) * LANE_HEIGHT_PX,
        cuts=_cut_lines(cuts_ms, axis),
        summary="; ".join(f"{lane.label}: {count(len(lane.bars), 'segment')}" for lane in lanes),
    )


def _cut_lines(cuts_ms: Sequence[int], axis: TimeAxis) -> str:
    places = {round(axis.percent(cut_ms) * CUTS_WIDTH / 100) for cut_ms in cuts_ms}
    return "".join(f"M{place} 0v1" for place in sorted(places) if place <= CUTS_WIDTH)


def _lane(
    prompt_set: str, label: str, segments: Sequence[SegmentInfo], top_px: int, axis: TimeAxis
) -> Lane:
    base_px = top_px + BAR_BASE_PX
    return Lane(
        prompt_set=prompt_set,
        label=label,
        action=strongest(segment.action for segment in segments),
        nsfw=any(segment.nsfw for segment in segments),
        text_y_px=top_px + LANE_TEXT_PX,
        base_y_px=base_px,
        bars=tuple(_bar(segment, base_px, axis) for segment in segments),
    )


def _bar(segment: SegmentInfo, base_px: int, axis: TimeAxis) -> Bar:
    start, end = axis.percent(segment.start_ms), axis.percent(segment.end_ms)
    width = max(end - start, MIN_BAR_PERCENT)
    height_px = BAR_HEIGHT_PX[segment.action]
    return Bar(
        x_percent=min(start, 100 - width),
        width_percent=round(width, 3),
        y_px=base_px - height_px,
        height_px=height_px,
        action=segment.action,
        text=(
            f"{segment.label}, {clock(segment.start_ms)} to {clock(segment.end_ms)}, "
            f"confidence {score(segment.confidence)}, {segment.action}"
        ),
    )
