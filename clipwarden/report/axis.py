"""The time axis that a video's timeline and plots share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from clipwarden.report.wording import clock

_SECOND: Final = 1000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR

ROUND_STEPS_MS: Final = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(seconds * _SECOND for seconds in (1, 2, 5, 10, 15, 30)),
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 3, 6, 12)),
)
"""Distances between ticks that people read without reckoning."""

MAX_STEPS: Final = 10
"""Tick labels are 40 px wide: ten fit on a desk's screen, every other one on a telephone's."""

NEAR_END_PERCENT: Final = 96.0
"""From here on a tick's text is set to its left, or it would leave the page."""


@dataclass(frozen=True)
class Tick:
    """A mark on the axis; a `minor` one goes without its text where space is short."""

    x_percent: float
    text: str
    anchor: Literal["middle", "end"]
    minor: bool


@dataclass(frozen=True)
class TimeAxis:
    """Maps 0..`span_ms` to 0..100 percent of the width."""

    span_ms: int

    @classmethod
    def covering(cls, duration_ms: int | None, positions_ms: Iterable[int]) -> TimeAxis:
        """Span the duration and every position; a container's duration can fall short of both."""
        return cls(span_ms=max((duration_ms or 0, *positions_ms)))

    def percent(self, position_ms: int) -> float:
        """Return where a position lies; 0 on an axis that spans no time."""
        return round(100 * position_ms / self.span_ms, 3) if self.span_ms else 0.0

    def ticks(self) -> tuple[Tick, ...]:
        """Return ticks at round times, the first at zero."""
        step_ms = self._step_ms()
        return tuple(
            _tick(position_ms, step_ms, self.percent(position_ms))
            for position_ms in range(0, self.span_ms + 1, step_ms)
        )

    def _step_ms(self) -> int:
        for step_ms in ROUND_STEPS_MS:
            if self.span_ms <= step_ms * MAX_STEPS:
                return step_ms
        days = -(-self.span_ms // (_DAY * MAX_STEPS))
        return days * _DAY


def _tick(position_ms: int, step_ms: int, x_percent: float) -> Tick:
    whole, _, fraction = clock(position_ms).rpartition(".")
    short = whole.removeprefix("0")
    return Tick(
        x_percent=x_percent,
        text=short if step_ms % _SECOND == 0 else f"{short}.{fraction}".rstrip("0").rstrip("."),
        anchor="end" if x_percent > NEAR_END_PERCENT else "middle",
        minor=position_ms // step_ms % 2 == 1,
    )
