"""Comparing two versions of a video's result: its flags, and segment by segment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from clipwarden.rescoring.document import (
    Counts,
    LabelCounts,
    SegmentChange,
    Span,
    Verdict,
    VideoChange,
)
from clipwarden.rescoring.works import StoredWork
from prompts.actions import Action, strongest
from worker.document import Flags, SegmentInfo

MIN_IOU = 0.5
"""Segments of a label that share that part of the time they cover together are one that moved."""


@dataclass(frozen=True)
class Side:
    """One of the two: the segments that are compared, and the flags of the video."""

    segments: Sequence[SegmentInfo]
    flags: Flags


def is_of(label: str, wanted: str) -> bool:
    """Whether a label is the one that is wanted, or a child of it."""
    return label == wanted or label.startswith(f"{wanted}.")


def verdict_of(flags: Flags, label: str | None = None) -> Verdict:
    """Sum up flags; with a label, those reasons alone that name it or a child of it."""
    reasons = [
        one
        for one in flags.reasons
        if label is None or any(is_of(named, label) for named in one.labels)
    ]
    labels = [one for one in flags.labels if label is None or is_of(one, label)]
    return Verdict(
        flagged=bool(labels),
        nsfw=any(one.nsfw for one in reasons),
        action=strongest(one.action for one in reasons) if reasons else Action.ALLOW,
        labels=tuple(labels),
    )


class Comparison:
    """Compares video after video and counts; `label` leaves out all but it and its children."""

    def __init__(self, label: str | None = None) -> None:
        self._label = label
        self._videos = 0
        self._changed = 0
        self._newly = 0
        self._no_longer = 0
        self._action_changed = 0
        self._labels: dict[str, LabelCounts] = {}

    def add(self, stored: StoredWork, before: Side, after: Side) -> VideoChange | None:
        """Compare and count one video; returns how it differs, None where it does not."""
        old, new = self._segments(before), self._segments(after)
        changes = tuple(segment_changes(old, new))
        found = VideoChange(
            id=stored.newest.id,
            submissions=len(stored.submissions),
            source=stored.newest.source,
            media_sha256=stored.work.media_sha256,
            before=verdict_of(before.flags, self._label),
            after=verdict_of(after.flags, self._label),
            segments=changes,
        )
        self._count_labels(old, new, changes)
        self._videos += 1
        self._newly += found.is_newly_flagged
        self._no_longer += found.is_no_longer_flagged
        self._action_changed += found.before.action is not found.after.action
        if found.before == found.after and not changes:
            return None
        self._changed += 1
        return found

    def counts(self) -> Counts:
        """What was counted so far."""
        return Counts(
            videos=self._videos,
            changed=self._changed,
            newly_flagged=self._newly,
            no_longer_flagged=self._no_longer,
            action_changed=self._action_changed,
            labels=tuple(self._labels[label] for label in sorted(self._labels)),
        )

    def _segments(self, side: Side) -> list[SegmentInfo]:
        label = self._label
        return [one for one in side.segments if label is None or is_of(one.label, label)]

    def _count_labels(
        self,
        old: Sequence[SegmentInfo],
        new: Sequence[SegmentInfo],
        changes: Sequence[SegmentChange],
    ) -> None:
        for label in {one.label for one in (*old, *new)}:
            before = sum(one.label == label for one in old)
            after = sum(one.label == label for one in new)
            kinds = [one.kind for one in changes if one.label == label]
            known = self._labels.get(label, LabelCounts(label=label))
            self._labels[label] = LabelCounts(
                label=label,
                videos_before=known.videos_before + bool(before),
                videos_after=known.videos_after + bool(after),
                segments_before=known.segments_before + before,
                segments_after=known.segments_after + after,
                appeared=known.appeared + kinds.count("appeared"),
                disappeared=known.disappeared + kinds.count("disappeared"),
                moved=known.moved + kinds.count("moved"),
            )


def segment_changes(
    before: Sequence[SegmentInfo], after: Sequence[SegmentInfo]
) -> list[SegmentChange]:
    """Tell which segments appeared, disappeared or moved, in order of time and label.

    Two of a label belong together where their IoU in time is at least `MIN_IOU`; those that do and
    have the same times are no change, whatever their confidence.
    """
    old, new = _by_label(before), _by_label(after)
    changes = [
        change
        for label in old.keys() | new.keys()
        for change in _changes_of(label, old.get(label, []), new.get(label, []))
    ]
    return sorted(changes, key=lambda one: (_start_ms(one), one.label, one.kind))


def iou(one: SegmentInfo, other: SegmentInfo) -> float:
    """The time both cover over the time either covers; 1 where they have the same times."""
    if (one.start_ms, one.end_ms) == (other.start_ms, other.end_ms):
        return 1.0
    both = min(one.end_ms, other.end_ms) - max(one.start_ms, other.start_ms)
    if both <= 0:
        return 0.0
    return both / (max(one.end_ms, other.end_ms) - min(one.start_ms, other.start_ms))


def _by_label(segments: Sequence[SegmentInfo]) -> dict[str, list[SegmentInfo]]:
    ordered = sorted(segments, key=lambda one: (one.label, one.start_ms, one.end_ms))
    return {label: list(found) for label, found in groupby(ordered, lambda one: one.label)}


def _changes_of(
    label: str, old: Sequence[SegmentInfo], new: Sequence[SegmentInfo]
) -> Iterator[SegmentChange]:
    for before, after in _paired(old, new):
        if after is None:
            kind: str = "disappeared"
        elif before is None:
            kind = "appeared"
        elif (before.start_ms, before.end_ms) == (after.start_ms, after.end_ms):
            continue
        else:
            kind = "moved"
        yield SegmentChange.model_validate(
            {"kind": kind, "label": label, "before": _span(before), "after": _span(after)}
        )


def _paired(
    old: Sequence[SegmentInfo], new: Sequence[SegmentInfo]
) -> Iterator[tuple[SegmentInfo | None, SegmentInfo | None]]:
    """Walk along both: segments of one version don't overlap, so each has one partner at most."""
    left, right = 0, 0
    while left < len(old) and right < len(new):
        before, after = old[left], new[right]
        if iou(before, after) >= MIN_IOU:
            yield before, after
            left, right = left + 1, right + 1
        elif before.end_ms <= after.end_ms:
            yield before, None
            left += 1
        else:
            yield None, after
            right += 1
    yield from ((one, None) for one in old[left:])
    yield from ((None, one) for one in new[right:])


def _span(segment: SegmentInfo | None) -> Span | None:
    if segment is None:
        return None
    return Span(start_ms=segment.start_ms, end_ms=segment.end_ms, confidence=segment.confidence)


def _start_ms(change: SegmentChange) -> int:
    span = change.before or change.after
    assert span is not None
    return span.start_ms
