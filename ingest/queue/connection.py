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
from rq.utils import as_text

from ingest.errors import QueueTaken, QueueUnavailable
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
_INSTALLATION_KEY = "clipwarden:installation"
_REUSABLE = (JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED)


@contextmanager
def reaching_queue() -> Iterator[None]:
    """Turn redis-py's errors into QueueUnavailable; used as a decorator too."""
    try:
        yield
    except RedisError as error:
        raise QueueUnavailable(
            f"the queue server does not answer as it should: {error}.",
            "See whether it still runs and its disk has room; the embedded one logs to "
            "logs/queue.log in the data folder.",
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
    except ValueError as error:
        # Without the words of the error, which may repeat a part of the password.
        raise QueueUnavailable(
            "the queue server can't be reached: REDIS_URL is no URL that redis-py reads.",
            "Write redis://HOST:PORT/DB, special characters of a password percent-encoded.",
        ) from error
    except (RedisError, OSError) as error:
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
def claim_server(connection: Redis, installation_id: str) -> None:
    """Make a queue server this installation's own; raises QueueTaken where it is another's.

    Queues are named by role and model: two installations on one server would take each other's
    jobs and look for them in the wrong database.
    """
    connection.set(_INSTALLATION_KEY, installation_id, nx=True)
    owner = as_text(connection.get(_INSTALLATION_KEY) or b"")
    if owner != installation_id:
        raise QueueTaken(
            f"the queue server serves another installation ({owner[:8]}), not this one "
            f"({installation_id[:8]}).",
            "Name another database number in REDIS_URL; or, if that installation is gone for "
            f"good, delete the key {_INSTALLATION_KEY}.",
        )


@reaching_queue()
def queue_length(queue: Queue) -> int:
    """How many jobs wait in a queue."""
    return int(queue.count)


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
