"""Results as an edit decision list, CMX 3600: a cut list of the segments.

Written here and not by OpenTimelineIO's adapter, which names no frame code mode (so that nobody
knows whether timecodes drop frames), puts markers at source times where editors want the record's,
and lets a name with a line end write events of its own.
"""

from __future__ import annotations

import re

from clipwarden.errors import ExportImpossible
from clipwarden.exports.clips import label_of, marked_ranges
from clipwarden.exports.frame_rates import TimecodeRate
from clipwarden.exports.words import made_by, one_line, segment_words, source_name
from prompts.actions import Action
from worker.document import ResultDocument, SegmentInfo

MAX_EVENTS = 999
"""Event numbers have three digits."""
_REEL_CHARACTERS = 8
_TITLE_CHARACTERS = 70
_RECORD_HOUR = 1
"""Programmes begin at 01:00:00:00, as editors are used to."""

_COLOURS = {
    Action.BLOCK: "RED",
    Action.REVIEW: "YELLOW",
    Action.NOTE: "CYAN",
    Action.ALLOW: "GREEN",
}


def to_edl(document: ResultDocument, rate: TimecodeRate) -> bytes:
    """An event per segment, in order of time, laid end to end from 01:00:00:00.

    Source timecodes count from the first shown frame. Each event has the source's name, a locator
    with the label at its record start, and the label's confidence. In UTF-8; raises
    ExportImpossible for more than 999 events, or beyond 24 hours.
    """
    if len(document.segments) > MAX_EVENTS:
        raise ExportImpossible(
            f"{one_line(document.video.source)}: {len(document.segments)} segments, and an EDL "
            f"holds {MAX_EVENTS} events.",
            "Choose fewer with --label or --min-confidence, or --format otio.",
        )
    name = source_name(document)
    mode = "DROP FRAME" if rate.drops_frames else "NON-DROP FRAME"
    lines = [f"TITLE: {name[:_TITLE_CHARACTERS]}", f"FCM: {mode}"]
    record = _RECORD_HOUR * 3600 * rate.base
    if rate.drops_frames:
        record = round(_RECORD_HOUR * 3600 * rate.fps)
    for number, one in enumerate(marked_ranges(document, rate), 1):
        times = (one.start, one.start + one.frames, record, record + one.frames)
        codes = " ".join(rate.timecode(frame) for frame in times)
        lines.append(f"{number:03d}  {_reel(name):8} V     C        {codes}")
        lines += [f"* FROM CLIP NAME: {name}", f"* SOURCE FILE: {one_line(document.video.source)}"]
        lines += _label_comments(one.segment, rate.timecode(record))
        record += one.frames
    if document.segments:
        # At the end: readers take comments for those of an event, and some refuse them before one.
        lines += [f"* {line}" for line in made_by(document)]
        lines.append(f"* Timecodes: {rate.name} frames per second")
    return ("\n".join(lines) + "\n").encode()


def _label_comments(segment: SegmentInfo, record: str) -> list[str]:
    words = f"{label_of(segment)} {segment_words(segment)}"
    return [f"* LOC: {record} {_COLOURS[segment.action]:7} {words}", f"* COMMENT: {words}"]


def _reel(name: str) -> str:
    """Up to eight letters and digits of a name; AX, the auxiliary source, where it has none."""
    stem = name.rpartition(".")[0] or name
    return re.sub(r"[^A-Za-z0-9]", "", stem)[:_REEL_CHARACTERS].upper() or "AX"
