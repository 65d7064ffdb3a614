"""A result as editors take it: one clip of the whole source, a marked range per segment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from clipwarden.exports.frame_rates import TimecodeRate
from clipwarden.exports.words import is_address, one_line
from worker.document import ResultDocument, SegmentInfo

_KEPT_IN_ADDRESSES = ":/?#[]@!$&'()*+,;=%~"


@dataclass(frozen=True)
class MarkedRange:
    """A segment in frames of its video: its first, and how many."""

    segment: SegmentInfo
    start: int
    frames: int


def marked_ranges(document: ResultDocument, rate: TimecodeRate) -> Iterator[MarkedRange]:
    """The segments in order of time; each has one frame at least, and they may overlap."""
    for segment in sorted(document.segments, key=lambda one: (one.start_ms, one.end_ms)):
        start, end = rate.frame_range(segment.start_ms, segment.end_ms)
        yield MarkedRange(segment, start, end - start)


def clip_frames(document: ResultDocument, rate: TimecodeRate) -> int:
    """How many frames the whole clip has: no segment ends after it."""
    last = max((one.start + one.frames for one in marked_ranges(document, rate)), default=1)
    return max(last, rate.frame_at(document.video.duration_ms or 0))


def source_url(source: str) -> str:
    """A source as a URL: what is an address stays one, a relative path stays relative."""
    if is_address(source):
        return quote(source, safe=_KEPT_IN_ADDRESSES, errors="replace")
    path = quote(source, errors="replace")
    return f"file://{path}" if source.startswith("/") else f"./{path}"


def label_of(segment: SegmentInfo) -> str:
    """The label on one line; editors want a name for every marker."""
    return one_line(segment.label) or "segment"
