"""How frames were chosen and what that says of a segment's edges, in words."""

from __future__ import annotations

from clipwarden.report.wording import count
from ingest.media.spec import SamplingSpec
from worker.document import ResultDocument


def sampling_words(document: ResultDocument) -> str:
    """Say which frames were looked at, such as `shots, 3 frames each, 41 cuts`."""
    video, spec = document.video, SamplingSpec.parse(document.sampling.spec)
    match spec.strategy:
        case "fps":
            return f"{float(spec.rate or 0):g} per second{', fast' if spec.fast else ''}"
        case "keyframes":
            return "key frames"
        case "shots":
            each, cuts = count(spec.per_shot, "frame"), count(len(video.cuts_ms), "cut")
            return f"shots, {each} each, {cuts}"
        case "adaptive":
            floor, ceiling = float(spec.floor or 0), float(spec.rate or 0)
            embedded = f"{video.frames_embedded:,} of {video.frames_sampled:,} frames embedded"
            return f"adaptive {floor:g} to {ceiling:g} per second, {embedded}"


def precision_words(document: ResultDocument) -> str:
    """Say how exact a segment's start and end are."""
    spec = SamplingSpec.parse(document.sampling.spec)
    match spec.strategy:
        case "fps" | "adaptive":
            # Fast, two frames that follow each other are each up to half a step from its instant.
            step_ms = 1000 / float(spec.rate or 1) * (2 if spec.fast else 1)
            return f"a segment's start and end are exact to {step_ms:.0f} ms"
        case "keyframes":
            return "a segment's start and end are exact to the time between two key frames"
        case "shots":
            return "a segment starts and ends at a cut, or halfway between two frames of a shot"
