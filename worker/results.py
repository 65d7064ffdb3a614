"""Reading stored results: the document of a submission, and the scores behind it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from ingest.arrays import unpack_arrays
from ingest.blobs import BlobRef
from ingest.errors import BlobError
from ingest.media.spec import SamplingSpec
from ingest.queue.payloads import Work
from ingest.sampling import FRAMES_VERSION, frames_version
from ingest.stores import Stores
from ingest.tables import Sampling, Status, Submission
from ingest.works import work_of
from prompts.actions import Action, strongest
from prompts.schema import PromptSet
from worker.document import (
    ErrorInfo,
    Flags,
    ModelInfo,
    PromptSetInfo,
    ResultDocument,
    SamplingInfo,
    SegmentInfo,
    Timings,
    VideoInfo,
)
from worker.errors import ResultMissing
from worker.models.card import ModelCard
from worker.tables import NO_CALIBRATION, Embedding, Result, SegmentRow
from worker.texts import load_stored_prompt_set


@dataclass(frozen=True)
class Scores:
    """Confidences of every sampled frame for every label of one prompt set.

    `times_us` is int64 `[n]`, `confidences` float32 `[n, labels]` in the set's order.
    """

    prompt_set: PromptSet
    times_us: NDArray[np.int64]
    confidences: NDArray[np.float32]


def is_embedded(stores: Stores, work: Work) -> bool:
    """Say whether every chunk of a work is sampled and embedded already."""
    with stores.database.read() as session:
        sampled = session.get(Sampling, (work.tenant, work.media_sha256, work.sampling_key))
        if sampled is None:
            return False
        # Another sampling may once have made more chunks than this one.
        wanted = (*_embeddings_of(work), Embedding.chunk < sampled.chunks)
        count = select(func.count()).select_from(Embedding).where(*wanted)
        return session.scalar(count) == sampled.chunks


def read_document(stores: Stores, tenant: str, submission_id: str) -> ResultDocument:
    """Return the result document of an ended submission; raises ResultMissing otherwise."""
    with stores.database.read() as session:
        submission = session.get(Submission, (tenant, submission_id))
        if submission is None or not Status(submission.status).is_final:
            raise ResultMissing(
                f"submission {submission_id} has no result.", "Wait for it, or submit it again."
            )
        if submission.status not in (Status.DONE, Status.PARTIAL):
            return _failed_document(submission, _readable_prompt_sets(stores, submission))
        prompt_sets = [
            load_stored_prompt_set(stores, tenant, sha256) for sha256 in submission.prompt_sets
        ]
        return _finished_document(session, submission, prompt_sets)


def read_scores(stores: Stores, tenant: str, submission_id: str) -> list[Scores]:
    """Return the scores of a finished submission, one entry per prompt set."""
    with stores.database.read() as session:
        submission = session.get_one(Submission, (tenant, submission_id))
        results = [
            _result(session, work_of(submission), sha256) for sha256 in submission.prompt_sets
        ]
        refs = [
            (result.prompt_set_sha256, BlobRef(result.scores_key, result.scores_sha256))
            for result in results
        ]
    return [_scores(stores, tenant, sha256, ref) for sha256, ref in refs]


def _scores(stores: Stores, tenant: str, sha256: str, ref: BlobRef) -> Scores:
    arrays = unpack_arrays(stores.blobs.get(ref))
    return Scores(
        prompt_set=load_stored_prompt_set(stores, tenant, sha256),
        times_us=arrays["pts_us"],
        confidences=arrays["confidences"],
    )


def _readable_prompt_sets(stores: Stores, submission: Submission) -> list[PromptSet]:
    """What is left of a failed submission's sets; that one is gone may be why it failed."""
    found = []
    for sha256 in submission.prompt_sets:
        with suppress(BlobError):
            found.append(load_stored_prompt_set(stores, submission.tenant, sha256))
    return found


def _failed_document(submission: Submission, prompt_sets: Sequence[PromptSet]) -> ResultDocument:
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
        prompt_sets=tuple(prompt_set_info(prompt_set) for prompt_set in prompt_sets),
        sampling=_sampling_of(submission),
        timings=Timings(total_s=_total_s(submission)),
    )


def _finished_document(
    session: Session, submission: Submission, prompt_sets: Sequence[PromptSet]
) -> ResultDocument:
    work = work_of(submission)
    sampled = session.get_one(Sampling, (work.tenant, work.media_sha256, work.sampling_key))
    results = [_result(session, work, prompt_set.sha256) for prompt_set in prompt_sets]
    segments = tuple(
        _segment_info(result.prompt_set, row)
        for result in results
        for row in _segment_rows(session, result)
    )
    ordered = tuple(sorted(segments, key=lambda segment: (segment.start_ms, segment.label)))
    return ResultDocument(
        status="partial" if sampled.partial else "done",
        video=VideoInfo(
            id=submission.id,
            source=submission.source,
            sha256=submission.media_sha256,
            duration_ms=_ms(sampled.duration_us),
            width=sampled.width,
            height=sampled.height,
            codec=sampled.codec,
            frames_sampled=sampled.frames,
            frames_embedded=results[0].frames_embedded,
            cuts_ms=tuple(map(_ms, sampled.cuts_us)),
            warnings=tuple(sampled.warnings),
        ),
        model=model_info(
            ModelCard.from_json(submission.model_card),
            device=results[0].device,
        ),
        prompt_sets=tuple(prompt_set_info(prompt_set) for prompt_set in prompt_sets),
        sampling=_sampling_of(submission),
        segments=ordered,
        flags=_flags(ordered),
        timings=Timings(
            decode_s=round(sampled.decode_s, 3),
            embed_s=round(results[0].embed_s, 3),
            total_s=_total_s(submission),
        ),
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


def prompt_set_info(prompt_set: PromptSet) -> PromptSetInfo:
    """The document's words on a prompt set; nothing is calibrated yet."""
    return PromptSetInfo(name=prompt_set.name, version=prompt_set.version, sha256=prompt_set.sha256)


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


def _flags(segments: Sequence[SegmentInfo]) -> Flags:
    """A label flags its video when its action asks that somebody looks, or when it is NSFW."""
    flagging = [
        segment
        for segment in segments
        if segment.nsfw or segment.action.strength >= Action.REVIEW.strength
    ]
    return Flags(
        nsfw=any(segment.nsfw for segment in segments),
        action=strongest(segment.action for segment in segments),
        labels=tuple(sorted({segment.label for segment in flagging})),
    )


def _segment_info(prompt_set: str, row: SegmentRow) -> SegmentInfo:
    parent, dot, _ = row.label.rpartition(".")
    return SegmentInfo(
        prompt_set=prompt_set,
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
    )


def _segment_rows(session: Session, result: Result) -> Sequence[SegmentRow]:
    query = select(SegmentRow).where(SegmentRow.result_id == result.id)
    return session.scalars(query.order_by(SegmentRow.number)).all()


def _result(session: Session, work: Work, prompt_set_sha256: str) -> Result:
    query = select(Result).where(
        Result.tenant == work.tenant,
        Result.media_sha256 == work.media_sha256,
        Result.sampling_key == work.sampling_key,
        Result.model_key == work.model_key,
        Result.prompt_set_sha256 == prompt_set_sha256,
        Result.calibration_sha256 == NO_CALIBRATION,
    )
    return session.scalars(query).one()


def _embeddings_of(work: Work) -> tuple[ColumnElement[bool], ...]:
    return (
        Embedding.tenant == work.tenant,
        Embedding.media_sha256 == work.media_sha256,
        Embedding.sampling_key == work.sampling_key,
        Embedding.model_key == work.model_key,
    )


def _ms(time_us: int) -> int:
    return round(time_us / 1000)


def _total_s(submission: Submission) -> float:
    if submission.finished_at is None:
        return 0.0
    return round((submission.finished_at - submission.created_at).total_seconds(), 3)
