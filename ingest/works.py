"""A work on the queue: set out when somebody wants it, finished when its last job has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from redis import Redis

from ingest.keys import work_pixels
from ingest.queue.enqueueing import (
    FINISH_TIMEOUT_S,
    SAMPLE_TIMEOUT_S,
    enqueue_once,
    jobs_alive,
)
from ingest.queue.gate import Gate
from ingest.queue.jobs import FINISH, SAMPLE
from ingest.queue.names import FINISH_QUEUE, Priority, sample_queue
from ingest.queue.payloads import FinishJob, SampleJob, Work
from ingest.stores import Stores
from ingest.tables import Submission

IsEmbedded = Callable[[Work], bool]
"""Says whether every chunk of a work is stored already; the tables that tell are another's."""


def work_of(row: Submission) -> Work:
    """The work that a submission waits for."""
    return Work(
        tenant=row.tenant,
        media_sha256=row.media_sha256,
        sampling_key=row.sampling_key,
        model_key=row.model_key,
    )


def sample_job_id(work: Work) -> str:
    """The one sampling of a work."""
    return f"sample-{work.id}"


def embed_job_id(work: Work, attempt: str, chunk: int) -> str:
    """A chunk's embedding; by attempt, for a job of an earlier one may be about to end."""
    return f"embed-{attempt}-{work.id}-{chunk}"


def finish_job_id(submission_id: str) -> str:
    """The finish of a submission."""
    return f"finish-{submission_id}"


def set_out(redis: Redis, row: Submission, is_embedded: IsEmbedded) -> None:
    """Queue what a recorded submission needs: nothing, if others have the same under way.

    Where all is embedded already there is nothing to sample: only the finish is queued.
    """
    work = work_of(row)
    gate = Gate(redis, work)
    is_first = gate.join(row.id, sample_job_id(work))
    # Asked after joining: else all could be done between the question and the joining.
    if is_embedded(work):
        if not is_first:
            queue_finish(redis, work, [row.id])
        elif gate.close([sample_job_id(work)]):
            queue_finish(redis, work, gate.waiting())
    elif is_first:
        queue_sampling(redis, row)


def queue_sampling(redis: Redis, row: Submission) -> None:
    """Queue the sampling of a submission's work, on its host where the file stays there."""
    work, priority = work_of(row), Priority(row.priority)
    enqueue_once(
        redis,
        sample_queue(priority, row.host),
        SAMPLE,
        SampleJob(work=work, priority=priority),
        job_id=sample_job_id(work),
        timeout_s=SAMPLE_TIMEOUT_S,
    )


def queue_finish(redis: Redis, work: Work, submission_ids: Sequence[str]) -> None:
    """Queue the finish job of each submission, once."""
    for submission_id in submission_ids:
        enqueue_once(
            redis,
            FINISH_QUEUE,
            FINISH,
            FinishJob(submission_id=submission_id, work=work),
            job_id=finish_job_id(submission_id),
            timeout_s=FINISH_TIMEOUT_S,
        )


def end_job(redis: Redis, work: Work, job_id: str) -> None:
    """Say that one of a work's jobs is over; the last one queues the finish of all who wait."""
    gate = Gate(redis, work)
    if gate.close([job_id]):
        queue_finish(redis, work, gate.waiting())


def close_lost(redis: Redis, work: Work) -> None:
    """Wait no longer for those of a work's jobs that are gone: whoever queues them was killed."""
    gate = Gate(redis, work)
    pending = gate.pending()
    lost = set(pending) - jobs_alive(redis, pending)
    if lost:
        gate.close(lost)


def leave_work(stores: Stores, work: Work, submission_id: str) -> None:
    """Let a submission wait no longer; after the last one no pixels are left behind."""
    if Gate(stores.redis, work).leave(submission_id) == 0:
        stores.blobs.delete_tree(work_pixels(work))
