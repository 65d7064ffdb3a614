"""The bridge's counters, with the names and shapes of the real ones."""

from __future__ import annotations

from collections.abc import Sequence

from ..card import CARD


class FakeMetric:
    """Counts one kind of the card's events."""

    def __init__(self, name: str, event: str) -> None:
        self._name = name
        self._event = event

    def name(self) -> str:
        """What it was asked for by."""
        return self._name

    def stats(self) -> Sequence[tuple[str, object]]:
        """Pairs of name and value."""
        return [("TotalNumber", CARD.times(self._event)), ("TotalTime", 0), ("AvgTime", 0)]


def metric_global(name: str) -> FakeMetric | None:
    """The process's counter of that name; the real one too returns None for others."""
    events = {"graph_compilation": "compile", "cpu_fallback": "fallback"}
    return FakeMetric(name, events[name]) if name in events else None
