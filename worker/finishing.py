"""The finish job: score every frame, cut segments, store the result, end the submission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ingest.arrays import pack_arrays, unpack_arrays
from ingest.blobs import BlobRef
from ingest.errors import BlobCorrupt, BlobMissing
from ingest.evidence import evidence_reference
from ingest.keys import scores_key
from ingest.queue.attempts import Handler
from ingest.queue.gate import Gate
from ingest.queue.payloads import FinishJob, Work
from ingest.stores import Stores
from ingest.submissions import fail
from ingest.tables import Chunk, Sampling, Status, Submission
from prompts.errors import ClipwardenError
from prompts.schema import Label, PromptSet
from prompts.scoring import compile_set, confidences, margins
from worker.errors import EmbeddingsMissing
from worker.models.card import ModelCard
from worker.segments import FrameTimes, Segment, cut_segments
from worker.tables import NO_CALIBRATION, Embedding, Result, SegmentRow
from worker.texts import await_text_vectors, load_stored_prompt_set

_log = structlog.get_logger("clipwarden.finishing")


@dataclass(frozen=True)
class _Frames:
    """All frames of a work in order: times, vectors, and where each one's picture lies."""

    times: FrameTimes
    vectors: NDArray[np.float32]
    evidence_keys: tuple[str, ...]

    def evidence_of(self, index: int) -> str:
        return evidence_reference(self.evidence_keys[index], int(self.times.starts_us[index]))


class FinishingJobs:
    """Handles the jobs of the finish queue; numpy only."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    @property
    def handler(self) -> Handler:
        """What a worker does with such a job."""
        return Handler(self.run, self.give_up)

    def run(self, args: object) -> None:
        """Turn one submission's embeddings into its stored result."""
        self._finish(FinishJob.from_args(args))

    def give_up(self, args: object, error: ClipwardenError) -> None:
        """End the submission with the error."""
        job = FinishJob.from_args(args)
        _log.warning("finishing failed", submission=job.submission_id, code=error.code)
        fail(self._stores.database, self._stores.redis, job.work, job.submission_id, error)

    def _finish(self, job: FinishJob) -> None:
        with self._stores.database.read() as session:
            submission = session.get(Submission, (job.work.tenant, job.submission_id))
            if submission is None or Status(submission.status).is_final:
                return
            session.expunge(submission)
        card = ModelCard.from_json(submission.model_card)
        frames = self._load_frames(job.work)
        for sha256 in submission.prompt_sets:
            prompt_set = load_stored_prompt_set(self._stores, job.work.tenant, sha256)
            self._score(job.work, card, prompt_set, frames)
        self._end(job)

    def _score(self, work: Work, card: ModelCard, prompt_set: PromptSet, frames: _Frames) -> None:
        texts = await_text_vectors(self._stores, work.tenant, work.model_key, prompt_set)
        scores = confidences(
            margins(frames.vectors, compile_set(prompt_set, texts)),
            card.score_scale.scale,
            card.score_scale.bias,
        )
        stored = self._stores.blobs.put(
            scores_key(work, prompt_set.sha256),
            pack_arrays(pts_us=frames.times.starts_us, confidences=scores),
        )
        rows = [
            (label, segment)
            for column, label in enumerate(prompt_set.labels)
            for segment in cut_segments(label, scores[:, column], frames.times)
        ]
        rows.sort(key=lambda row: (row[1].start_us, row[0].id))
        with self._stores.database.begin() as session:
            result = _upsert_result(session, work, prompt_set, stored)
            session.execute(delete(SegmentRow).where(SegmentRow.result_id == result.id))
            for number, (label, segment) in enumerate(rows):
                session.add(_segment_row(result.id, number, label, segment, frames))

    def _load_frames(self, work: Work) -> _Frames:
        with self._stores.database.read() as session:
            sampled = session.get(Sampling, (work.tenant, work.media_sha256, work.sampling_key))
            chunks = _chunks(session, work)
            embeddings = _embeddings(session, work)
            if sampled is None or len(embeddings) < sampled.chunks:
                raise EmbeddingsMissing(
                    f"{len(embeddings)} chunks of {work.media_sha256[:12]} are embedded, "
                    f"{'an unknown number' if sampled is None else sampled.chunks} was sampled.",
                    "Analyse the video again.",
                )
            duration_us, expected = sampled.duration_us, sampled.chunks
            refs = [BlobRef(row.blob_key, row.blob_sha256) for row in embeddings[:expected]]
            evidence = [key for row in chunks[:expected] for key in [row.evidence_key] * row.frames]
        arrays = [self._vectors(work, ref) for ref in refs]
        starts_us = np.concatenate([array["pts_us"] for array in arrays])
        return _Frames(
            times=FrameTimes.of(starts_us, duration_us),
            vectors=np.concatenate([array["vectors"] for array in arrays]),
            evidence_keys=tuple(evidence),
        )

    def _vectors(self, work: Work, ref: BlobRef) -> Mapping[str, NDArray[Any]]:
        """Read one chunk's vectors; where they are gone, see that they are made anew."""
        try:
            return unpack_arrays(self._stores.blobs.get(ref))
        except (BlobMissing, BlobCorrupt) as error:
            with self._stores.database.begin() as session:
                session.execute(delete(Embedding).where(Embedding.blob_key == ref.key))
            raise EmbeddingsMissing(
                f"vectors of {work.media_sha256[:12]} are missing or damaged: {error.message}",
                "Analyse the video again: what is missing will be embedded anew.",
            ) from error

    def _end(self, job: FinishJob) -> None:
        work = job.work
        with self._stores.database.begin() as session:
            submission = session.get_one(Submission, (work.tenant, job.submission_id))
            sampled = session.get_one(Sampling, (work.tenant, work.media_sha256, work.sampling_key))
            if not Status(submission.status).is_final:
                submission.status = Status.PARTIAL if sampled.partial else Status.DONE
                submission.finished_at = datetime.now(UTC)
        Gate(self._stores.redis, work).leave(job.submission_id)


def _chunks(session: Session, work: Work) -> list[Chunk]:
    query = select(Chunk).where(
        Chunk.tenant == work.tenant,
        Chunk.media_sha256 == work.media_sha256,
        Chunk.sampling_key == work.sampling_key,
    )
    return list(session.scalars(query.order_by(Chunk.number)))


def _embeddings(session: Session, work: Work) -> list[Embedding]:
    query = select(Embedding).where(
        Embedding.tenant == work.tenant,
        Embedding.media_sha256 == work.media_sha256,
        Embedding.sampling_key == work.sampling_key,
        Embedding.model_key == work.model_key,
    )
    return list(session.scalars(query.order_by(Embedding.chunk)))


def _upsert_result(session: Session, work: Work, prompt_set: PromptSet, scores: BlobRef) -> Result:
    query = select(Result).where(
        Result.tenant == work.tenant,
        Result.media_sha256 == work.media_sha256,
        Result.sampling_key == work.sampling_key,
        Result.model_key == work.model_key,
        Result.prompt_set_sha256 == prompt_set.sha256,
        Result.calibration_sha256 == NO_CALIBRATION,
    )
    result = session.scalars(query).one_or_none() or Result(
        tenant=work.tenant,
        media_sha256=work.media_sha256,
        sampling_key=work.sampling_key,
        model_key=work.model_key,
        prompt_set_sha256=prompt_set.sha256,
        prompt_set=prompt_set.name,
        prompt_set_version=prompt_set.version,
        calibration_sha256=NO_CALIBRATION,
    )
    result.scores_key, result.scores_sha256 = scores.key, scores.sha256
    result.created_at = datetime.now(UTC)
    session.add(result)
    session.flush()
    return result


def _segment_row(
    result_id: int, number: int, label: Label, segment: Segment, frames: _Frames
) -> SegmentRow:
    return SegmentRow(
        result_id=result_id,
        number=number,
        label=label.id,
        start_us=segment.start_us,
        end_us=segment.end_us,
        peak_us=int(frames.times.starts_us[segment.peak]),
        confidence=segment.confidence,
        mean_confidence=segment.mean_confidence,
        frames=segment.frames,
        nsfw=label.nsfw,
        action=label.action,
        evidence=frames.evidence_of(segment.peak),
    )
