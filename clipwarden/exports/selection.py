"""Which segments of a result are exported."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from clipwarden.rescoring.comparing import is_of
from prompts.schema import PromptSet
from worker.document import FlagReason, ResultDocument, SegmentInfo


def select_segments(
    document: ResultDocument, labels: Collection[str] = (), min_confidence: float = 0.0
) -> ResultDocument:
    """The document with those segments alone that have a label, and that confidence at least.

    A label stands for those below it, too: `violence` for `violence.blood`; no labels stand for
    all. The flags stay what they are, a verdict on the whole video; of a reason's segments those
    that are left are named, by their new places.
    """

    def is_wanted(segment: SegmentInfo) -> bool:
        has_label = not labels or any(is_of(segment.label, label) for label in labels)
        return has_label and segment.confidence >= min_confidence

    kept = [place for place, segment in enumerate(document.segments) if is_wanted(segment)]
    new_places = {place: new for new, place in enumerate(kept)}
    reasons = tuple(_renumbered(one, new_places) for one in document.flags.reasons)
    return document.model_copy(
        update={
            "segments": tuple(document.segments[place] for place in kept),
            "flags": document.flags.model_copy(update={"reasons": reasons}),
        }
    )


def unknown_labels(
    labels: Iterable[str],
    documents: Collection[ResultDocument],
    prompt_sets: Mapping[str, PromptSet],
) -> tuple[list[str], set[str], bool]:
    """Those of the labels that nobody knows; the labels that are known; whether these are all.

    Known are the labels of segments and those of the documents' prompt sets, which are taken from
    `prompt_sets` by their hash; all of them are, where every set is there.
    """
    hashes = {one.sha256 for document in documents for one in document.prompt_sets}
    known = {one.label for document in documents for one in document.segments}
    known |= {one.id for key in hashes & prompt_sets.keys() for one in prompt_sets[key].labels}
    unknown = [label for label in labels if not any(is_of(own, label) for own in known)]
    return unknown, known, hashes <= prompt_sets.keys()


def _renumbered(reason: FlagReason, new_places: Mapping[int, int]) -> FlagReason:
    places = tuple(new_places[place] for place in reason.segments if place in new_places)
    return reason.model_copy(update={"segments": places})
