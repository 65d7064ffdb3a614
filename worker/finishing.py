"""The finish job: score every frame, cut segments, store the result, end the submission."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import structlog

from ingest.endings import fail
from ingest.media.spec import SamplingSpec
from ingest.queue.attempts import Handler
from ingest.queue.claims import Claim
from ingest.queue.gate import Gate
from ingest.queue.logs import job_context
from ingest.queue.meters import Meter, add_to_meters
from ingest.queue.payloads import FinishJob
from ingest.stores import Stores
from ingest.tables import Sampling, Status, Submission
from ingest.works import leave_work, queue_sampling, sample_job_id, work_of
from prompts.errors import ClipwardenError
from worker.calibrations import load_calibration
from worker.errors import EmbeddingsMissing
from worker.frames import load_frames
from worker.models.card import ModelCard
from worker.scored import Scorer
from worker.storing import store_result
from worker.tables import NO_CALIBRATION
from worker.texts import load_stored_prompt_set, require_text_vectors
from worker.versions import versions_of

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
        # First, for it may have to wait for texts: a film's vectors are much to read in vain.
        scorers = self._scorers(submission, card)
        try:
            frames = load_frames(self._stores, job.work, submission.classifiers)
        except EmbeddingsMissing as error:
            self._sample_again(submission, error)
            return
        spec = SamplingSpec.parse(submission.sampling)
        for scorer in scorers:
            store_result(self._stores, scorer.score(job.work, frames, spec), claim.confirm)
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

    def _scorers(self, submission: Submission, card: ModelCard) -> list[Scorer]:
        tenant = submission.tenant
        scorers = []
        for version in versions_of(submission):
            prompt_set = load_stored_prompt_set(self._stores, tenant, version.prompt_set_sha256)
            calibration = (
                load_calibration(self._stores, tenant, version.calibration_sha256)
                if version.calibration_sha256 != NO_CALIBRATION
                else None
            )
            texts = require_text_vectors(self._stores, tenant, card.key, prompt_set)
            scorers.append(Scorer.of(card, prompt_set, calibration, texts))
        return scorers

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
