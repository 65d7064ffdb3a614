"""A work on the queue: set out when somebody wants it, finished when its last job has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redis import Redis
from rq.job import JobStatus
from rq.utils import as_text
from sqlalchemy import select

from ingest.keys import work_pixels
from ingest.queue.enqueueing import (
    FINISH_TIMEOUT_S,
    SAMPLE_TIMEOUT_S,
    enqueue_once,
    jobs_alive,
)
from ingest.queue.gate import Gate
from ingest.queue.jobs import FINISH, SAMPLE
from ingest.queue.leases import withdraw
from ingest.queue.names import FINISH_QUEUE, Priority, sample_queue
from ingest.queue.payloads import FinishJob, SampleJob, Work
from ingest.queue.reaching import reaching_queue
from ingest.stores import Stores
from ingest.tables import Media, Status, Submission

IsEmbedded = Callable[[Work], bool]
"""Says whether every chunk of a work is stored already; the tables that tell are another's."""

# Others may submit the same while it is looked for.
_PLACE_ATTEMPTS = 5


@dataclass(frozen=True)
class _Place:
    """Where a sampling waits, or should: with which urgency, and on which host, or on any."""

    priority: Priority
    host: str | None

    @property
    def queue(self) -> str:
        return sample_queue(self.priority, self.host)

    @classmethod
    def parse(cls, queue: str) -> _Place:
        _, priority, *host = queue.split(":", 2)
        return cls(Priority(priority), host[0] if host else None)


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


def set_out(stores: Stores, row: Submission, is_embedded: IsEmbedded) -> None:
    """Queue what a recorded submission needs: nothing, if others have the same under way.

    Where all is embedded already there is nothing to sample: only the finish is queued. A sampling
    that still waits for others is moved to where this one would have it, if that is better.
    """
    redis, work = stores.redis, work_of(row)
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
    else:
        place_sampling(stores, work)


def queue_sampling(redis: Redis, row: Submission) -> None:
    """Queue the sampling of a submission's work, on its host where the file stays there."""
    _queue_sampling_at(redis, work_of(row), _Place(Priority(row.priority), row.host))


def place_sampling(stores: Stores, work: Work) -> None:
    """Move a sampling that nobody has begun to the best queue for those who want it.

    It waits where its first submitter wanted it: less urgently, or on a host that is gone. Chunks
    that are queued already stay where they are.
    """
    for _ in range(_PLACE_ATTEMPTS):
        place = _waiting_at(stores.redis, sample_job_id(work))
        if place is None:
            return
        better = _best_place(stores, work, place)
        if better == place or not withdraw(stores.redis, sample_job_id(work)):
            return
        # Whoever is killed here has lost the job: `repair` makes it again.
        _queue_sampling_at(stores.redis, work, better)


@reaching_queue()
def _waiting_at(redis: Redis, job_id: str) -> _Place | None:
    """Where a sampling waits; None where there is none, or somebody works on it."""
    status, queue = redis.hmget(f"rq:job:{job_id}", ["status", "origin"])
    waits = (JobStatus.QUEUED.value, JobStatus.SCHEDULED.value)
    if status is None or queue is None or as_text(status) not in waits:
        return None
    return _Place.parse(as_text(queue))


def _best_place(stores: Stores, work: Work, place: _Place) -> _Place:
    """As urgent as anybody wants it; on any host if there is a copy, else where somebody waits."""
    wanted = select(Submission.priority, Submission.host).where(
        Submission.tenant == work.tenant,
        Submission.media_sha256 == work.media_sha256,
        Submission.sampling_key == work.sampling_key,
        Submission.model_key == work.model_key,
        Submission.status == Status.QUEUED,
    )
    with stores.database.read() as session:
        rows = list(session.execute(wanted.order_by(Submission.created_at, Submission.id)))
        media = session.get(Media, (work.tenant, work.media_sha256))
        has_copy = media is not None and media.blob_key is not None
    priority, host = place.priority, place.host
    for name, _ in rows:
        if Priority(name).goes_before(priority):
            priority = Priority(name)
    hosts = [where for _, where in rows]
    if host is not None and has_copy and None in hosts:
        host = None
    elif host is not None and host not in hosts:
        host = next((where for where in hosts if where is not None), host)
    return _Place(priority, host)


def _queue_sampling_at(redis: Redis, work: Work, place: _Place) -> None:
    enqueue_once(
        redis,
        place.queue,
        SAMPLE,
        SampleJob(work=work, priority=place.priority),
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
