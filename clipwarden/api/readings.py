"""What metrics are made of: one look at the queue server, one at the database.

Nothing here changes what it looks at. RQ's own counts would: they put jobs whose lease lapsed
back on their queues.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from redis import Redis
from rq.utils import as_text
from sqlalchemy import func, select

from ingest.database import Database
from ingest.queue.meters import Meter, read_meters
from ingest.queue.presence import Presence, read_presences
from ingest.queue.reaching import reaching_queue
from ingest.tables import Status, Submission

_KNOWN_QUEUES = "rq:queues"
_QUEUE_PREFIX = "rq:queue:"


@dataclass(frozen=True)
class QueueLabels:
    """What a queue's name says; empty where the role knows no models or no priorities."""

    queue: str
    role: str
    model: str = ""
    priority: str = ""

    @classmethod
    def of(cls, name: str) -> Self:
        """Take a name of `ingest.queue.names` apart."""
        match name.split(":"):
            case ["embed", model, priority]:
                return cls(name, "embed", model, priority)
            case ["text", model]:
                return cls(name, "text", model)
            case ["sample", priority, *_host]:
                return cls(name, "sample", priority=priority)
            case words:
                return cls(name, words[0])


@dataclass(frozen=True)
class QueueReading:
    """One queue: jobs that wait, run, are due later, or were given up.

    `oldest_age_s` is how long ago the job at its head was queued, None where that is unknown.
    """

    labels: QueueLabels
    waiting: int
    running: int
    scheduled: int
    dead: int
    oldest_age_s: float | None


@dataclass(frozen=True)
class QueueServerReading:
    """Everything that the queue server knows."""

    queues: tuple[QueueReading, ...]
    meters: Mapping[tuple[Meter, str], float]
    presences: tuple[Presence, ...]


@reaching_queue()
def read_queue_server(connection: Redis) -> QueueServerReading:
    """Look at every queue, counter and process; raises QueueUnavailable."""
    return QueueServerReading(
        queues=_read_queues(connection),
        meters=read_meters(connection),
        presences=read_presences(connection),
    )


def count_submissions(database: Database) -> dict[Status, int]:
    """How many submissions of all tenants are in each status; raises DatabaseError."""
    query = select(Submission.status, func.count()).group_by(Submission.status)
    with database.read() as session:
        counts = {str(status): count for status, count in session.execute(query)}
    return {status: counts.get(status.value, 0) for status in Status}


def _read_queues(connection: Redis) -> tuple[QueueReading, ...]:
    members = connection.smembers(_KNOWN_QUEUES)
    names = sorted(as_text(member).removeprefix(_QUEUE_PREFIX) for member in members)
    with connection.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.llen(f"{_QUEUE_PREFIX}{name}")
            pipeline.zcard(f"rq:wip:{name}")
            pipeline.zcard(f"rq:scheduled:{name}")
            pipeline.zcard(f"rq:failed:{name}")
            pipeline.lindex(f"{_QUEUE_PREFIX}{name}", 0)
        answers = pipeline.execute()
    rows = [answers[start : start + 5] for start in range(0, len(answers), 5)]
    queued_at = _read_times(connection, [head for *_, head in rows])
    return tuple(
        QueueReading(
            labels=QueueLabels.of(name),
            waiting=waiting,
            running=running,
            scheduled=scheduled,
            dead=dead,
            oldest_age_s=_age_s(queued) if waiting else 0.0,
        )
        for name, (waiting, running, scheduled, dead, _), queued in zip(
            names, rows, queued_at, strict=True
        )
    )


def _read_times(connection: Redis, job_ids: Sequence[bytes | None]) -> list[bytes | None]:
    """When each job was queued, as RQ wrote it."""
    with connection.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            # A queue without a head: a key that never is keeps the answers in order.
            pipeline.hget(f"rq:job:{as_text(job_id or b'')}", "enqueued_at")
        return list(pipeline.execute())


def _age_s(queued_at: bytes | None) -> float | None:
    if queued_at is None:
        return None
    try:
        moment = datetime.fromisoformat(as_text(queued_at))
    except ValueError:
        return None
    # RQ writes UTC, with or without saying so; hosts' clocks may differ by a little.
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (datetime.now(UTC) - aware).total_seconds())
