"""Putting jobs on queues, each once, and asking what became of them."""

from __future__ import annotations

from collections.abc import Sequence

from redis import Redis
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import JobStatus
from rq.utils import as_text

from ingest.queue.connection import open_queue
from ingest.queue.jobs import fetch_job
from ingest.queue.payloads import Payload
from ingest.queue.reaching import reaching_queue

# Sampling decodes a whole file; the other jobs work on one chunk or on numbers.
SAMPLE_TIMEOUT_S = 6 * 3600
EMBED_TIMEOUT_S = 600
FINISH_TIMEOUT_S = 900

_ENDED = (JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED)
_ALIVE = frozenset({JobStatus.QUEUED.value, JobStatus.STARTED.value, JobStatus.SCHEDULED.value})


@reaching_queue()
def enqueue_once(
    connection: Redis, queue: str, function: str, payload: Payload, *, job_id: str, timeout_s: int
) -> None:
    """Queue a job unless one of that id waits or runs; one that ended makes way for the new.

    RQ's retries are not used: what a failure or a lapse costs is counted by `ingest.queue.leases`.
    """
    for _ in range(2):
        try:
            open_queue(queue, connection).enqueue(
                function,
                payload.to_args(),
                job_id=job_id,
                unique=True,
                job_timeout=timeout_s,
                result_ttl=0,
                description=job_id,
            )
            # RQ did so before: the queue may have been forgotten, as empty, in between.
            connection.sadd("rq:queues", f"rq:queue:{queue}")
        except DuplicateJobError:
            if not _remove_ended(connection, job_id):
                return
        else:
            return


@reaching_queue()
def job_has_failed(connection: Redis, job_id: str) -> bool:
    """Say whether the job of that id was given up."""
    status = connection.hget(f"rq:job:{job_id}", "status")
    return status is not None and as_text(status) == JobStatus.FAILED.value


@reaching_queue()
def jobs_alive(connection: Redis, job_ids: Sequence[str]) -> set[str]:
    """Which of these jobs wait, run, or are due later."""
    with connection.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.hget(f"rq:job:{job_id}", "status")
        statuses = pipeline.execute()
    return {
        job_id
        for job_id, status in zip(job_ids, statuses, strict=True)
        if status is not None and as_text(status) in _ALIVE
    }


@reaching_queue()
def jobs_waiting(connection: Redis, queues: Sequence[str]) -> int:
    """How many jobs wait on these queues in all."""
    with connection.pipeline(transaction=False) as pipeline:
        for name in queues:
            pipeline.llen(f"rq:queue:{name}")
        return sum(pipeline.execute())


def _remove_ended(connection: Redis, job_id: str) -> bool:
    """Delete an ended job; says whether its id is free now."""
    try:
        job = fetch_job(connection, job_id)
    except NoSuchJobError:
        return True
    if job.get_status() not in _ENDED:
        return False
    job.delete()
    return True
