"""What a file of the zoo is and what is right for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.media.zoo.bait import Bait

Status = Literal["done", "partial", "failed"]
Range = tuple[float, float]

TWO_SECONDS_MS = (0, 500, 1000, 1500)
"""When a clip of two seconds is sampled by fps:2."""

UNREADABLE = frozenset({"media.unreadable"})
CUT_OFF = frozenset({"media.unreadable", "media.truncated"})
"""Of a file cut off before its first picture it can't always be told that it was cut off."""
BROKEN = frozenset({"media.unreadable", "media.truncated", "media.no_video_stream"})
"""A file so damaged that what it holds can't be told either."""
ANY_WARNING = frozenset({"*"})
TOO_LARGE = frozenset({"media.too_many_pixels"})


@dataclass(frozen=True)
class Outcome:
    """What may come of a file: any of the statuses, each with what is promised of it.

    `codes` are the error codes a failure may have. The rest holds for results that are no failure:
    `warnings` are alternatives, of which one must be given, or any at all; `timed` says that each
    picture carries its own time as a code.
    """

    statuses: frozenset[Status]
    codes: frozenset[str] = frozenset()
    warnings: frozenset[str] = frozenset()
    times_ms: tuple[int, ...] | None = None
    frames: Range | None = None
    duration_ms: Range | None = None
    size: tuple[int, int] | None = None
    timed: bool = False
    tolerance_ms: float = 45.0


@dataclass(frozen=True)
class Entry:
    """A file of the zoo; `make` writes it to a path, with the bait it may name."""

    name: str
    make: Callable[[Path, Bait], object]
    outcome: Outcome


def entry(name: str, make: Callable[[Path], object], outcome: Outcome) -> Entry:
    """An entry that names no bait."""
    return Entry(name, lambda path, _: make(path), outcome)


def content(name: str, make: Callable[[], bytes], outcome: Outcome) -> Entry:
    """An entry whose bytes are made without a path."""
    return Entry(name, lambda path, _: path.write_bytes(make()), outcome)


def done(
    times_ms: tuple[int, ...] | None = TWO_SECONDS_MS,
    *,
    frames: Range | None = None,
    duration_ms: Range | None = None,
    size: tuple[int, int] | None = (320, 240),
    timed: bool = False,
    warnings: Iterable[str] = (),
) -> Outcome:
    """Nothing is lost: every picture is there at its time."""
    return Outcome(
        frozenset({"done"}),
        warnings=frozenset(warnings),
        times_ms=times_ms,
        frames=frames,
        duration_ms=duration_ms,
        size=size,
        timed=timed,
    )


def failed(*codes: str) -> Outcome:
    """The file ends itself with one of these codes."""
    return Outcome(frozenset({"failed"}), codes=frozenset(codes))


def partial(
    *,
    frames: Range | None = None,
    duration_ms: Range | None = None,
    warnings: Iterable[str] = ("media.damaged", "media.truncated"),
    timed: bool = True,
    size: tuple[int, int] | None = (320, 240),
) -> Outcome:
    """What can be decoded is, and a warning says that something is missing."""
    return Outcome(
        frozenset({"partial"}),
        warnings=frozenset(warnings),
        frames=frames,
        duration_ms=duration_ms,
        size=size,
        timed=timed,
    )


def either(*outcomes: Outcome) -> Outcome:
    """Any of these: what is promised of a result is taken from the first that is no failure."""
    results = [one for one in outcomes if one.statuses != {"failed"}]
    first = results[0] if results else outcomes[0]
    return Outcome(
        frozenset().union(*(one.statuses for one in outcomes)),
        codes=frozenset().union(*(one.codes for one in outcomes)),
        warnings=first.warnings,
        times_ms=first.times_ms,
        frames=first.frames,
        duration_ms=first.duration_ms,
        size=first.size,
        timed=first.timed,
    )


def survived(codes: Iterable[str] = BROKEN) -> Outcome:
    """Damage of which nobody can say what it leaves: a result or a clear error, never a crash."""
    return Outcome(frozenset({"done", "partial", "failed"}), codes=frozenset(codes))
