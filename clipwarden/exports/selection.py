"""Which segments of a result are exported."""

from __future__ import annotations

from collections.abc import Collection

from worker.document import ResultDocument, SegmentInfo


def select_segments(
    document: ResultDocument, labels: Collection[str] = (), min_confidence: float = 0.0
) -> ResultDocument:
    """The document with those segments alone that have a label, and that confidence at least.

    A label stands for those below it, too: `violence` for `violence.blood`; no labels stand for
    all. The flags stay what they are, a verdict on the whole video.
    """

    def is_wanted(segment: SegmentInfo) -> bool:
        has_label = not labels or any(
            segment.label == label or segment.label.startswith(f"{label}.") for label in labels
        )
        return has_label and segment.confidence >= min_confidence

    segments = tuple(segment for segment in document.segments if is_wanted(segment))
    return document.model_copy(update={"segments": segments})
