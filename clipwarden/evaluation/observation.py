"""One file as it was found beside what truth says of it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from clipwarden.truth.examination import Examined
from clipwarden.truth.frames import JudgedFrames, judged_frames
from clipwarden.truth.model import Judged, Scene, Verdict, Wanted, verdict


@dataclass(frozen=True)
class Found:
    """A segment of a result."""

    label: str
    start_us: int
    end_us: int
    confidence: float


@dataclass(frozen=True, eq=False)
class Observed:
    """What was found in one file, of the labels that truth speaks of, in order of time."""

    media: Judged
    duration_us: int
    shown_us: NDArray[np.int64]
    frames: JudgedFrames
    found: tuple[Found, ...]

    def during(self, start_us: int, end_us: int) -> list[Found]:
        """The segments that overlap a stretch of time, in order of their start."""
        # Before the first whose like or predecessors end later, all are over; films have many.
        starts, latest_ends = self._edges
        first, last = bisect_right(latest_ends, start_us), bisect_left(starts, end_us)
        return [one for one in self.found[first:last] if one.end_us > start_us]

    @cached_property
    def _edges(self) -> tuple[list[int], list[int]]:
        """When each segment starts, and when the last of those so far ends: both rise."""
        return (
            [one.start_us for one in self.found],
            list(accumulate((one.end_us for one in self.found), max)),
        )

    @cached_property
    def pieces(self) -> tuple[Stretch, ...]:
        """The file cut at the borders of its scenes; none where it has no length."""
        return stretches(self.media.scenes, self.duration_us)

    @property
    def is_picture(self) -> bool:
        """Whether it is one picture, judged as a whole: it has no length to speak of."""
        return self.media.is_whole and len(self.shown_us) == 1


@dataclass(frozen=True)
class Stretch:
    """A piece of a file in which truth says one thing; pieces don't overlap, scenes may."""

    start_us: int
    end_us: int
    wanted: tuple[Wanted, ...]
    is_hard: bool

    @property
    def length_us(self) -> int:
        """How long it is."""
        return self.end_us - self.start_us

    def verdict(self, label: str | None) -> Verdict:
        """What truth says here of a label; None is for anything at all."""
        if label is None:
            return "positive" if self.wanted else "negative"
        return verdict(self.wanted, label)


def observe(examined: Examined, labels: Sequence[str]) -> Observed:
    """Keep of a file what is measured: `labels` are those that truth speaks of."""
    scored = examined.scored
    assert scored is not None
    found = [
        Found(label.id, segment.start_us, segment.end_us, segment.confidence)
        for label, segment in scored.segments
        if label.id in labels
    ]
    return Observed(
        media=examined.media,
        duration_us=scored.frames.duration_us,
        shown_us=scored.frames.shown_us,
        frames=judged_frames(examined, labels),
        found=tuple(sorted(found, key=lambda one: (one.start_us, one.label))),
    )


def stretches(scenes: Iterable[Scene], duration_us: int) -> tuple[Stretch, ...]:
    """Cut a file at the borders of its scenes; what lies in none has nothing to flag."""
    waiting = sorted(scenes, key=lambda scene: scene.start_us, reverse=True)
    borders = {0, duration_us}
    borders |= {time for one in waiting for time in (one.start_us, end_us(one, duration_us))}
    edges = sorted(time for time in borders if 0 <= time <= duration_us)
    here: list[Scene] = []
    found = []
    for start, end in pairwise(edges):
        while waiting and waiting[-1].start_us <= start:
            here.append(waiting.pop())
        here = [scene for scene in here if end_us(scene, duration_us) > start]
        wanted = tuple(dict.fromkeys(one for scene in here for one in scene.wanted))
        found.append(Stretch(start, end, wanted, any(scene.is_hard for scene in here)))
    return tuple(found)


def within(pieces: Sequence[Stretch], start_us: int, end_us: int) -> range:
    """Which of a file's pieces, by their places, overlap a stretch of time."""
    first = bisect_right(pieces, start_us, key=lambda piece: piece.end_us)
    last = bisect_left(pieces, end_us, key=lambda piece: piece.start_us)
    return range(first, last)


def end_us(scene: Scene, duration_us: int) -> int:
    """When a scene ends, in a file of that length."""
    return duration_us if scene.end_us is None else scene.end_us


def overlap_us(found: Found, start_us: int, end_us: int) -> int:
    """How long a segment lasts within a stretch of time."""
    return max(0, min(found.end_us, end_us) - max(found.start_us, start_us))


def covered_us(found: Iterable[Found], start_us: int, end_us: int) -> int:
    """For how long of a stretch of time at least one of the segments lasts."""
    total, until = 0, start_us
    for one in sorted(found, key=lambda one: one.start_us):
        begin, end = max(one.start_us, until), min(one.end_us, end_us)
        if end > begin:
            total, until = total + end - begin, end
    return total
