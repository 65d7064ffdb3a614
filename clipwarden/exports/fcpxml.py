"""Results for Final Cut Pro X: FCPXML 1.9, one clip with keyword ranges and markers.

Written here and not by OpenTimelineIO's adapter, which leaves the frame duration of the exact NTSC
rates empty, puts a second copy of the clip outside of any event, and knows no keywords.
"""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree

from clipwarden.exports.clips import (
    MarkedRange,
    clip_frames,
    label_of,
    marked_ranges,
    source_url,
)
from clipwarden.exports.frame_rates import TimecodeRate
from clipwarden.exports.words import made_by, segment_words, source_name
from prompts.actions import Action
from worker.document import ResultDocument

_VERSION = "1.9"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'


def to_fcpxml(document: ResultDocument, rate: TimecodeRate) -> bytes:
    """A project of one clip, the whole source; a segment is a keyword's range and a marker.

    Final Cut's markers are a frame long, so the range is the keyword's, and the marker has the
    words on it; it is a task to tick off where the action is review or block.
    """
    root = ElementTree.Element("fcpxml", version=_VERSION)
    name = source_name(document)
    frames = clip_frames(document, rate)
    duration = _time(frames, rate)
    _add_resources(root, document, rate, name, duration)
    event = _add(root, "event", name="Clipwarden")
    project = _add(event, "project", name=name)
    code = {"tcStart": "0s", "tcFormat": "DF" if rate.drops_frames else "NDF"}
    sequence = _add(project, "sequence", format="r1", duration=duration, **code)
    note = _add(sequence, "note")
    note.text = "\n".join(made_by(document))
    spine = _add(sequence, "spine")
    timing = {"offset": "0s", "start": "0s", "duration": duration}
    clip = _add(spine, "asset-clip", ref="r2", name=name, **timing, **code)
    for marked in marked_ranges(document, rate):
        _mark(clip, marked, rate)
    ElementTree.indent(root)
    return (_HEAD + ElementTree.tostring(root, encoding="unicode") + "\n").encode()


def _add_resources(
    root: ElementTree.Element, document: ResultDocument, rate: TimecodeRate, name: str, length: str
) -> None:
    resources = _add(root, "resources")
    picture = {"frameDuration": _time(1, rate)}
    if document.video.width and document.video.height:
        picture |= {"width": str(document.video.width), "height": str(document.video.height)}
    _add(resources, "format", id="r1", **picture)
    asset = _add(
        resources,
        "asset",
        id="r2",
        name=name,
        start="0s",
        duration=length,
        hasVideo="1",
        format="r1",
    )
    url = source_url(document.video.source)
    _add(asset, "media-rep", kind="original-media", src=url)


def _mark(clip: ElementTree.Element, marked: MarkedRange, rate: TimecodeRate) -> None:
    label, words = label_of(marked.segment), segment_words(marked.segment)
    start = _time(marked.start, rate)
    # A comma would make two keywords of it.
    keyword = {"start": start, "duration": _time(marked.frames, rate)}
    _add(clip, "keyword", **keyword, value=label.replace(",", ";"), note=words)
    marker = {"start": start, "duration": _time(1, rate), "value": label, "note": words}
    if marked.segment.action.strength >= Action.REVIEW.strength:
        marker["completed"] = "0"
    _add(clip, "marker", **marker)


def _time(frames: int, rate: TimecodeRate) -> str:
    """A time that is a whole number of frames, in exact seconds, such as `1001/30000s`."""
    seconds = Fraction(frames) / rate.fps
    if seconds.denominator == 1:
        return f"{seconds.numerator}s"
    return f"{seconds.numerator}/{seconds.denominator}s"


def _add(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, attributes)
