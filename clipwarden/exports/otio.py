"""Results as OpenTimelineIO: one clip of the whole source with a marker per segment."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from clipwarden.errors import ExtraMissing
from clipwarden.exports.clips import clip_frames, label_of, marked_ranges, source_url
from clipwarden.exports.frame_rates import TimecodeRate
from clipwarden.exports.words import made_by, one_line, segment_words, source_name
from prompts.actions import Action
from worker.document import ResultDocument, SegmentInfo

_COLOURS = {
    Action.BLOCK: "RED",
    Action.REVIEW: "ORANGE",
    Action.NOTE: "CYAN",
    Action.ALLOW: "GREEN",
}


def to_otio(document: ResultDocument, rate: TimecodeRate) -> bytes:
    """A timeline in OTIO's JSON; raises ExtraMissing without opentimelineio.

    A marker's range is its segment's, its colour the action's; numbers are in its metadata under
    `clipwarden`, as in the result document.
    """
    require_opentimelineio()
    # Here: opentimelineio is an extra.
    otio: Any = importlib.import_module("opentimelineio")
    fps = float(rate.fps)

    def stretch(start: int, frames: int) -> Any:
        time = otio.opentime
        return time.TimeRange(time.RationalTime(start, fps), time.RationalTime(frames, fps))

    name, whole = source_name(document), stretch(0, clip_frames(document, rate))
    media = otio.schema.ExternalReference(source_url(document.video.source), whole)
    clip = otio.schema.Clip(name, media_reference=media, source_range=whole)
    for one in marked_ranges(document, rate):
        marker = otio.schema.Marker(
            name=label_of(one.segment),
            marked_range=stretch(one.start, one.frames),
            color=_COLOURS[one.segment.action],
            metadata={"clipwarden": _metadata(one.segment)},
        )
        marker.comment = segment_words(one.segment)
        clip.markers.append(marker)
    track = otio.schema.Track(name, kind=otio.schema.TrackKind.Video)
    track.append(clip)
    timeline = otio.schema.Timeline(name, metadata={"clipwarden": {"made_by": made_by(document)}})
    timeline.tracks.append(track)
    return f"{timeline.to_json_string(indent=2)}\n".encode()


def require_opentimelineio() -> None:
    """Raise ExtraMissing where opentimelineio is not installed."""
    if importlib.util.find_spec("opentimelineio") is None:
        raise ExtraMissing(
            "OTIO is written with opentimelineio, which is not installed here.",
            "Install it: pip install 'clipwarden[exports]'; or choose --format edl or fcpxml.",
        )


def _metadata(segment: SegmentInfo) -> dict[str, object]:
    return {
        "prompt_set": one_line(segment.prompt_set),
        "label": one_line(segment.label),
        "start_ms": segment.start_ms,
        "end_ms": segment.end_ms,
        "peak_ms": segment.peak_ms,
        "confidence": segment.confidence,
        "mean_confidence": segment.mean_confidence,
        "nsfw": segment.nsfw,
        "action": str(segment.action),
    }
