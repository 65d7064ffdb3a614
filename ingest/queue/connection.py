"""Reaching the queue server, naming its queues, and putting jobs on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from ingest.errors import QueueUnavailable
from ingest.queue.jobs import AllowlistedJob
from ingest.queue.lossless import LosslessQueue
from ingest.queue.payloads import Payload

SAMPLE_QUEUE = "sample:normal"
FINISH_QUEUE = "finish"

# A job is tried again this often before its video is reported as failed. RQ takes one of these
# also when a worker dies under a job.
RETRIES = 5

# Sampling decodes a whole file; the other jobs work on one chunk or on numbers.
SAMPLE_TIMEOUT_S = 6 * 3600
EMBED_TIMEOUT_S = 600
FINISH_TIMEOUT_S = 900

_CONNECT_TIMEOUT_S = 5
_REUSABLE = (JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED)


@contextmanager
def reaching_queue() -> Iterator[None]:
    """Turn redis-py's errors into QueueUnavailable; used as a decorator too."""
    try:
        yield
    except RedisError as error:
        raise QueueUnavailable(
            f"the queue server does not answer: {error}.",
            "See whether it still runs; its log is logs/queue.log in the data folder.",
        ) from error


def embed_queue(model_key: str) -> str:
    """The queue of frame chunks for one model."""
    return f"embed:{model_key}:normal"


def text_queue(model_key: str) -> str:
    """The queue of prompt sets to be embedded by one model."""
    return f"text:{model_key}"


def connect(url: str) -> Redis:
    """Open the queue server at a redis URL; raises QueueUnavailable with what it answered."""
    try:
        connection = Redis.from_url(url, socket_connect_timeout=_CONNECT_TIMEOUT_S)
        connection.ping()
        policy = connection.info("memory").get("maxmemory_policy", "noeviction")
    except (RedisError, ValueError, OSError) as error:
        raise QueueUnavailable(
            f"the queue server can't be reached: {error}.",
            "Check REDIS_URL (redis://HOST:PORT/DB), or unset it to use the embedded server.",
        ) from error
    if policy != "noeviction":
        raise QueueUnavailable(
            f"the queue server evicts keys under memory pressure (maxmemory-policy {policy}).",
            "Set maxmemory-policy to noeviction: an evicted job would be lost in silence.",
        )
    return connection


def open_queue(
    name: str, connection: Redis, job_class: type[AllowlistedJob] = AllowlistedJob
) -> LosslessQueue:
    """Open one of our queues, with JSON payloads and the allow-listed job class."""
    return LosslessQueue(
        name, connection=connection, serializer=JSONSerializer, job_class=job_class
    )


@reaching_queue()
def enqueue_once(
    queue: Queue, function: str, payload: Payload, *, job_id: str, timeout_s: int
) -> None:
    """Queue a job unless one of that id waits or runs; one that ended makes way for the new."""
    for _ in range(2):
        try:
            queue.enqueue(
                function,
                payload.to_args(),
                job_id=job_id,
                unique=True,
                job_timeout=timeout_s,
                retry=Retry(max=RETRIES),
                result_ttl=0,
                failure_ttl=24 * 3600,
                description=job_id,
            )
        except DuplicateJobError:
            if not _remove_ended(queue, job_id):
                return
        else:
            return


@reaching_queue()
def job_has_failed(queue: Queue, job_id: str) -> bool:
    """Say whether the job of that id was given up."""
    try:
        job = AllowlistedJob.fetch(job_id, connection=queue.connection, serializer=JSONSerializer)
    except NoSuchJobError:
        return False
    return bool(job.get_status() == JobStatus.FAILED)


def _remove_ended(queue: Queue, job_id: str) -> bool:
    """Delete an ended job; says whether its id is free now."""
    try:
        job = AllowlistedJob.fetch(job_id, connection=queue.connection, serializer=JSONSerializer)
    except NoSuchJobError:
        return True
    if job.get_status() not in _REUSABLE:
        return False
    job.delete()
    return True
