"""Composing the result document from what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ingest.media.spec import SamplingSpec
from ingest.queue.payloads import Work
from ingest.sampling import FRAMES_VERSION, frames_version
from ingest.tables import Sampling, Submission
from ingest.works import work_of
from prompts.actions import Action
from prompts.calibration import Calibration
from prompts.schema import PromptSet
from worker.document import (
    ErrorInfo,
    ModelInfo,
    PromptSetInfo,
    ResultDocument,
    SamplingInfo,
    SegmentInfo,
    Timings,
    VideoInfo,
)
from worker.explaining import Explainer
from worker.flagging import flags_of
from worker.models.card import ModelCard
from worker.score_blob import StoredScores
from worker.tables import Result, SegmentRow


@dataclass(frozen=True, eq=False)
class StoredResult:
    """One version of a work's result, as it is stored; without scores where those are lost."""

    result: Result
    segments: Sequence[SegmentRow]
    prompt_set: PromptSet
    calibration: Calibration | None
    scores: StoredScores | None


def failed_document(submission: Submission, prompt_sets: Sequence[PromptSet]) -> ResultDocument:
    """Compose the document of a submission that has none, with the reason."""
    error = ErrorInfo(
        code=submission.error_code or "run.cancelled",
        message=submission.error_message or "the analysis was cancelled before it ended.",
        cure=submission.error_cure or "Analyse the video again.",
    )
    return ResultDocument(
        status="failed",
        error=error,
        video=VideoInfo(id=submission.id, source=submission.source, sha256=submission.media_sha256),
        model=model_info(ModelCard.from_json(submission.model_card), device=None),
        prompt_sets=tuple(prompt_set_info(prompt_set, None) for prompt_set in prompt_sets),
        sampling=_sampling_of(submission),
        timings=Timings(total_s=_total_s(submission)),
    )


def finished_document(
    submission: Submission, sampled: Sampling, parts: Sequence[StoredResult]
) -> ResultDocument:
    """Compose the document of a submission that has results, one part for each prompt set."""
    card = ModelCard.from_json(submission.model_card)
    explainers = [_explainer(work_of(submission), card, part) for part in parts]
    segments = sorted(
        (
            _segment_info(part, row, explainer)
            for part, explainer in zip(parts, explainers, strict=True)
            for row in part.segments
        ),
        key=lambda segment: (segment.start_ms, segment.label),
    )
    first = parts[0].result
    return ResultDocument(
        status="partial" if sampled.partial else "done",
        video=_video_info(submission, sampled, first.frames_embedded),
        model=model_info(card, device=first.device),
        prompt_sets=tuple(prompt_set_info(one.prompt_set, one.calibration) for one in parts),
        sampling=_sampling_of(submission),
        segments=tuple(segments),
        flags=flags_of(segments, [part.prompt_set for part in parts]),
        scoring=tuple(explainer.scoring() for explainer in explainers if explainer is not None),
        timings=Timings(
            decode_s=round(sampled.decode_s, 3),
            embed_s=round(first.embed_s, 3),
            total_s=_total_s(submission),
        ),
    )


def _explainer(work: Work, card: ModelCard, part: StoredResult) -> Explainer | None:
    scores = part.scores
    if scores is None or scores.grounds is None:
        return None
    return Explainer(work, card, part.prompt_set, part.calibration, scores, scores.grounds)


def _video_info(submission: Submission, sampled: Sampling, frames_embedded: int) -> VideoInfo:
    rate = sampled.frame_rate
    return VideoInfo(
        id=submission.id,
        source=submission.source,
        sha256=submission.media_sha256,
        duration_ms=_ms(sampled.duration_us),
        width=sampled.width,
        height=sampled.height,
        codec=sampled.codec,
        frame_rate=None if rate is None else round(float(Fraction(rate)), 6),
        frames_sampled=sampled.frames,
        frames_embedded=frames_embedded,
        cuts_ms=tuple(map(_ms, sampled.cuts_us)),
        warnings=tuple(sampled.warnings),
    )


def model_info(card: ModelCard, device: str | None) -> ModelInfo:
    """The document's words on a model; the device is null where nothing was embedded."""
    return ModelInfo(
        id=card.id,
        key=card.key,
        revision=card.revision,
        weights_sha256=card.weights_sha256,
        device=device,
        precision=card.precision,
    )


def prompt_set_info(prompt_set: PromptSet, calibration: Calibration | None) -> PromptSetInfo:
    """The document's words on a prompt set and on its calibration."""
    return PromptSetInfo(
        name=prompt_set.name,
        version=prompt_set.version,
        sha256=prompt_set.sha256,
        calibration=None if calibration is None else calibration.sha256,
    )


def sampling_info(spec: SamplingSpec, geometry: str, version: int = FRAMES_VERSION) -> SamplingInfo:
    """The document's words on the sampling."""
    return SamplingInfo(
        strategy=spec.strategy,
        spec=spec.name,
        fps=None if spec.rate is None else float(spec.rate),
        geometry=geometry,
        version=version,
    )


def _sampling_of(submission: Submission) -> SamplingInfo:
    spec = SamplingSpec.parse(submission.sampling)
    version = frames_version(submission.sampling_key)
    return sampling_info(spec, submission.geometry, version)


def _segment_info(part: StoredResult, row: SegmentRow, explainer: Explainer | None) -> SegmentInfo:
    parent, dot, _ = row.label.rpartition(".")
    label = part.prompt_set.label(row.label)
    return SegmentInfo(
        prompt_set=part.prompt_set.name,
        label=row.label,
        parent=parent if dot else None,
        start_ms=_ms(row.start_us),
        end_ms=_ms(row.end_us),
        confidence=round(row.confidence, 4),
        mean_confidence=round(row.mean_confidence, 4),
        peak_ms=_ms(row.peak_us),
        frames=row.frames,
        nsfw=row.nsfw,
        action=Action(row.action),
        evidence=row.evidence,
        explanation=None if explainer is None else explainer.explain(row.number, label),
    )


def _ms(time_us: int) -> int:
    return round(time_us / 1000)


def _total_s(submission: Submission) -> float:
    if submission.finished_at is None:
        return 0.0
    return round((submission.finished_at - submission.created_at).total_seconds(), 3)
