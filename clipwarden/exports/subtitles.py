"""Results as subtitles, a cue per segment: WebVTT and SubRip (SRT).

Segments may overlap, and so may cues in both formats.
"""

from __future__ import annotations

from collections.abc import Iterator

from clipwarden.exports.words import made_by, one_line, segment_words, source_name
from worker.document import ResultDocument, SegmentInfo

_VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

# SRT knows no escapes: `<i>` and `{\an8}` are taken for markup by players, `-->` ends a cue for
# some readers.
_SRT_LOOK_ALIKES = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")", "\\": "/"})


def to_vtt(document: ResultDocument) -> bytes:
    """WebVTT (W3C): a note on how the result was made, then a numbered cue per segment."""
    notes = "\n".join(line.translate(_VTT_ESCAPES) for line in made_by(document))
    blocks = [f"WEBVTT - {source_name(document).translate(_VTT_ESCAPES)}", f"NOTE\n{notes}"]
    for number, segment, start_ms, end_ms in _cues(document):
        times = f"{_clock(start_ms, '.')} --> {_clock(end_ms, '.')}"
        blocks.append(f"{number}\n{times}\n{_cue_text(segment).translate(_VTT_ESCAPES)}")
    return ("\n\n".join(blocks) + "\n").encode()


def to_srt(document: ResultDocument) -> bytes:
    """SubRip in UTF-8: a numbered cue per segment; nothing at all where there is none."""
    blocks = []
    for number, segment, start_ms, end_ms in _cues(document):
        times = f"{_clock(start_ms, ',')} --> {_clock(end_ms, ',')}"
        blocks.append(f"{number}\n{times}\n{_cue_text(segment).translate(_SRT_LOOK_ALIKES)}\n")
    return "\n".join(blocks).encode()


def _cues(document: ResultDocument) -> Iterator[tuple[int, SegmentInfo, int, int]]:
    """Number, segment, start and end in ms; in order of time, none of them empty."""
    segments = sorted(document.segments, key=lambda segment: (segment.start_ms, segment.end_ms))
    for number, segment in enumerate(segments, 1):
        yield number, segment, segment.start_ms, max(segment.end_ms, segment.start_ms + 1)


def _cue_text(segment: SegmentInfo) -> str:
    return f"{one_line(segment.label)} {segment_words(segment)}".strip()


def _clock(time_ms: int, point: str) -> str:
    seconds, milliseconds = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{milliseconds:03d}"
