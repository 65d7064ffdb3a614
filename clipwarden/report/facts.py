"""What is known about an input and about how its result was made, as names and values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clipwarden.report.sampling import precision_words, sampling_words
from clipwarden.report.wording import clock, short_hash
from worker.document import PromptSetInfo, ResultDocument

STARTER_MODEL: Final = "starter"

UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class Fact:
    """One line of the list; a `note` is a caution about the value."""

    name: str
    value: str
    note: str | None = None


def input_facts(document: ResultDocument) -> tuple[Fact, ...]:
    """Return what is known about the file."""
    video = document.video
    size = UNKNOWN
    if video.width is not None and video.height is not None:
        size = f"{video.width} × {video.height} px"
    return (
        Fact("Source", video.source),
        Fact("Duration", UNKNOWN if video.duration_ms is None else clock(video.duration_ms)),
        Fact("Picture", size),
        Fact("Codec", video.codec or UNKNOWN),
        Fact("Frames", f"{video.frames_sampled:,} sampled, {video.frames_embedded:,} embedded"),
        Fact("SHA-256", short_hash(video.sha256) + "…" if video.sha256 else UNKNOWN),
    )


def method_facts(document: ResultDocument) -> tuple[Fact, ...]:
    """Return how the result was made, with its cautions."""
    model, timings = document.model, document.timings
    starter_note = "A small stand-in that knows nothing of nudity."
    return (
        Fact("Model", model.id, starter_note if uses_starter(document) else None),
        Fact("Weights", f"{short_hash(model.weights_sha256)}…, key {model.key}"),
        Fact("Precision", f"{model.precision} on {model.device}"),
        *(_prompt_set_fact(document, one) for one in document.prompt_sets),
        _sampling_fact(document),
        Fact(
            "Time taken",
            f"{timings.decode_s:.1f} s decoding, {timings.embed_s:.1f} s embedding, "
            f"{timings.total_s:.1f} s in all",
        ),
    )


def uses_starter(document: ResultDocument) -> bool:
    """Was this made with the stand-in model?"""
    return document.model.id == STARTER_MODEL


def is_uncalibrated(document: ResultDocument) -> bool:
    """Is there a confidence that no one has fitted to this model?"""
    return any(
        prompt_set.calibration is None or _labels_left_out(document, prompt_set)
        for prompt_set in document.prompt_sets
    )


def _prompt_set_fact(document: ResultDocument, prompt_set: PromptSetInfo) -> Fact:
    value = f"{prompt_set.name} {prompt_set.version}, {short_hash(prompt_set.sha256)}…"
    if prompt_set.calibration is None:
        return Fact("Prompt set", value, "Confidences are uncalibrated.")
    left_out = ", ".join(_labels_left_out(document, prompt_set))
    return Fact(
        "Prompt set",
        f"{value}, calibration {short_hash(prompt_set.calibration)}…",
        f"Uncalibrated: {left_out}." if left_out else None,
    )


def _labels_left_out(document: ResultDocument, prompt_set: PromptSetInfo) -> list[str]:
    """The found labels that the set's calibration says nothing of."""
    explained = [
        (segment.label, segment.explanation)
        for segment in document.segments
        if segment.prompt_set == prompt_set.name
    ]
    return sorted({label for label, why in explained if why is not None and not why.calibrated})


def _sampling_fact(document: ResultDocument) -> Fact:
    how = f"{sampling_words(document)}, {document.sampling.geometry}"
    return Fact("Sampling", f"{how}; {precision_words(document)}")
