"""Reaching the queue server, and opening its queues."""

from __future__ import annotations

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer
from rq.utils import as_text

from ingest.errors import QueueTaken, QueueUnavailable
from ingest.queue.jobs import AllowlistedJob
from ingest.queue.reaching import reaching_queue

_CONNECT_TIMEOUT_S = 5

# No command of ours takes long, so silence is a cut link. Without it a read waits for ever.
_ANSWER_TIMEOUT_S = 10
_HEALTH_CHECK_S = 10

# Eight tries over some eight seconds: a server that is restarted is hardly noticed.
_RETRIES = 8
_BACKOFF_BASE_S = 0.05
_BACKOFF_CAP_S = 2.0

_INSTALLATION_KEY = "clipwarden:installation"


def connect(url: str, *, patient: bool = False) -> Redis:
    """Open the queue server at a redis URL; raises QueueUnavailable with what it answered.

    A patient client, for processes that stay, rides out a restart of the server.
    """
    try:
        connection = _client(url, patient=patient)
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
) -> Queue:
    """Open one of our queues, with JSON payloads and the allow-listed job class."""
    return Queue(name, connection=connection, serializer=JSONSerializer, job_class=job_class)


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


def _client(url: str, *, patient: bool) -> Redis:
    backoff = ExponentialBackoff(cap=_BACKOFF_CAP_S, base=_BACKOFF_BASE_S)
    return Redis.from_url(
        url,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=_ANSWER_TIMEOUT_S,
        health_check_interval=_HEALTH_CHECK_S,
        retry=Retry(
            backoff,
            _RETRIES if patient else 1,
            supported_errors=(RedisConnectionError, RedisTimeoutError),
        ),
    )
