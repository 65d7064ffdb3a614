"""The finish job: score every frame, cut segments, store the result, end the submission."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ingest.arrays import pack_arrays
from ingest.blobs import BlobRef
from ingest.database import insert_if_absent
from ingest.endings import fail
from ingest.keys import scores_key
from ingest.media.spec import SamplingSpec
from ingest.queue.attempts import Handler
from ingest.queue.claims import Claim
from ingest.queue.gate import Gate
from ingest.queue.logs import job_context
from ingest.queue.meters import Meter, add_to_meters
from ingest.queue.payloads import FinishJob, Work
from ingest.stores import Stores
from ingest.tables import Sampling, Status, Submission
from ingest.works import leave_work, queue_sampling, sample_job_id, work_of
from prompts.errors import ClipwardenError
from prompts.schema import Label, PromptSet
from prompts.scoring import CompiledSet, compile_set, confidences, margins
from worker.errors import EmbeddingsMissing
from worker.frames import EmbeddedFrames, load_frames
from worker.models.card import ModelCard
from worker.segments import FrameTimes, Segment, cut_segments
from worker.tables import NO_CALIBRATION, Result, SegmentRow
from worker.texts import load_stored_prompt_set, require_text_vectors

# Where that does not help, something loses it again and again.
_MAX_RESAMPLINGS = 3

_log = structlog.get_logger("clipwarden.finishing")


class FinishingJobs:
    """Handles the jobs of the finish queue; numpy only."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    @property
    def handler(self) -> Handler:
        """What a worker does with such a job."""
        return Handler(self.run, self.give_up)

    def run(self, args: object, claim: Claim) -> None:
        """Turn one submission's embeddings into its stored result."""
        job = FinishJob.from_args(args)
        with job_context(submission=job.submission_id, media=job.work.media_sha256[:12]):
            self._finish(job, claim)

    def give_up(self, args: object, error: ClipwardenError) -> None:
        """End the submission with the error."""
        job = FinishJob.from_args(args)
        _log.warning("finishing failed", submission=job.submission_id, code=error.code)
        fail(self._stores, job.work, job.submission_id, error)

    def _finish(self, job: FinishJob, claim: Claim) -> None:
        with self._stores.database.read() as session:
            submission = session.get(Submission, (job.work.tenant, job.submission_id))
            is_over = submission is None or Status(submission.status).is_final
            session.expunge_all()
        if submission is None or is_over or work_of(submission) != job.work:
            # An earlier attempt may have died after recording the end. Or an earlier release had
            # it under way: what that made is not what this one makes, and it is sampled again.
            leave_work(self._stores, job.work, job.submission_id)
            return
        began = time.perf_counter()
        card = ModelCard.from_json(submission.model_card)
        # First, for it may have to wait for them: a film's vectors are much to read in vain.
        compiled = [self._compiled(job.work, sha256) for sha256 in submission.prompt_sets]
        try:
            frames = load_frames(self._stores, job.work)
        except EmbeddingsMissing as error:
            self._sample_again(submission, error)
            return
        spec = SamplingSpec.parse(submission.sampling)
        times = FrameTimes.of(frames.shown_us, frames.duration_us, frames.cuts_us, spec.strategy)
        for prompt_set, compiled_set in compiled:
            self._score(job.work, card, prompt_set, compiled_set, frames, times, claim)
        claim.confirm()
        status = self._end(job)
        amounts = {
            (Meter.FRAMES, "finish"): float(len(frames)),
            (Meter.SECONDS, "finish"): time.perf_counter() - began,
        }
        if status is not None:
            amounts[Meter.SUBMISSIONS, status] = 1.0
        add_to_meters(self._stores.redis, amounts)
        leave_work(self._stores, job.work, job.submission_id)

    def _sample_again(self, submission: Submission, error: EmbeddingsMissing) -> None:
        """Have what is missing made anew: something was lost, which is no fault of the video."""
        work, redis = work_of(submission), self._stores.redis
        gate, sample = Gate(redis, work), sample_job_id(work)
        # Once for all who wait: the end of what is under way queues their finish again.
        if not gate.join(submission.id, sample):
            return
        times = gate.note_resampled()
        if times > _MAX_RESAMPLINGS:
            gate.close([sample])
            raise error
        _log.warning("sampling again", reason=error.message, times=times)
        queue_sampling(redis, submission)

    def _compiled(self, work: Work, sha256: str) -> tuple[PromptSet, CompiledSet]:
        prompt_set = load_stored_prompt_set(self._stores, work.tenant, sha256)
        texts = require_text_vectors(self._stores, work.tenant, work.model_key, prompt_set)
        return prompt_set, compile_set(prompt_set, texts)

    def _score(
        self,
        work: Work,
        card: ModelCard,
        prompt_set: PromptSet,
        compiled: CompiledSet,
        frames: EmbeddedFrames,
        times: FrameTimes,
        claim: Claim,
    ) -> None:
        scale = card.score_scale
        of_pictures = confidences(margins(frames.vectors, compiled), scale.scale, scale.bias)
        scores = frames.highest(of_pictures)
        content = pack_arrays(pts_us=frames.shown_us, confidences=scores)
        key = scores_key(work, prompt_set.sha256, hashlib.sha256(content).hexdigest())
        claim.confirm()
        stored = self._stores.blobs.put(key, content)
        rows = [
            (label, segment)
            for column, label in enumerate(prompt_set.labels)
            for segment in cut_segments(label, scores[:, column], times)
        ]
        rows.sort(key=lambda row: (row[1].start_us, row[0].id))
        with self._stores.database.begin() as session:
            result = _upsert_result(session, work, prompt_set, stored, frames)
            session.execute(delete(SegmentRow).where(SegmentRow.result_id == result.id))
            for number, (label, segment) in enumerate(rows):
                session.add(_segment_row(result.id, number, label, segment, frames))

    def _end(self, job: FinishJob) -> Status | None:
        """Record that the submission is done, and return how; None where it ended before."""
        work = job.work
        with self._stores.database.begin() as session:
            key = (work.tenant, job.submission_id)
            # Locked: who cancels it in this moment must not be told that he did.
            submission = session.get_one(Submission, key, with_for_update=True)
            if Status(submission.status).is_final:
                return None
            sampled = session.get_one(Sampling, (work.tenant, work.media_sha256, work.sampling_key))
            status = Status.PARTIAL if sampled.partial else Status.DONE
            submission.status, submission.finished_at = status, datetime.now(UTC)
            return status


def _upsert_result(
    session: Session, work: Work, prompt_set: PromptSet, scores: BlobRef, frames: EmbeddedFrames
) -> Result:
    query = select(Result).where(
        Result.tenant == work.tenant,
        Result.media_sha256 == work.media_sha256,
        Result.sampling_key == work.sampling_key,
        Result.model_key == work.model_key,
        Result.prompt_set_sha256 == prompt_set.sha256,
        Result.calibration_sha256 == NO_CALIBRATION,
    )
    row = Result(
        tenant=work.tenant,
        media_sha256=work.media_sha256,
        sampling_key=work.sampling_key,
        model_key=work.model_key,
        prompt_set_sha256=prompt_set.sha256,
        prompt_set=prompt_set.name,
        prompt_set_version=prompt_set.version,
        calibration_sha256=NO_CALIBRATION,
        scores_key=scores.key,
        scores_sha256=scores.sha256,
        device=frames.device,
        frames_embedded=frames.frames_embedded,
        embed_s=frames.embed_s,
        created_at=datetime.now(UTC),
    )
    insert_if_absent(session, row)
    # Locked: another submission of the same work may write the same segments just now.
    result = session.scalars(query.with_for_update()).one()
    result.scores_key, result.scores_sha256 = scores.key, scores.sha256
    result.device, result.frames_embedded = frames.device, frames.frames_embedded
    result.embed_s = frames.embed_s
    result.created_at = datetime.now(UTC)
    session.flush()
    return result


def _segment_row(
    result_id: int, number: int, label: Label, segment: Segment, frames: EmbeddedFrames
) -> SegmentRow:
    return SegmentRow(
        result_id=result_id,
        number=number,
        label=label.id,
        start_us=segment.start_us,
        end_us=segment.end_us,
        peak_us=int(frames.shown_us[segment.peak]),
        confidence=segment.confidence,
        mean_confidence=segment.mean_confidence,
        frames=segment.frames,
        nsfw=label.nsfw,
        action=label.action,
        evidence=frames.evidence_of(segment.peak),
    )
