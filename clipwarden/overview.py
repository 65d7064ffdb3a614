"""How an installation stands: its submissions, its queues, and who is at work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from clipwarden.api.readings import QueueReading, read_queue_server
from ingest.database import Database
from ingest.queue.gate import Gate, Progress
from ingest.queue.presence import Presence, models_served
from ingest.stores import Stores
from ingest.submissions import find_submission
from ingest.tables import DEFAULT_TENANT, Status, Submission
from ingest.works import work_of
from worker.document import ErrorInfo
from worker.models.card import ModelCard


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class ProgressInfo(_Part):
    """How far an unfinished video is; what can't be said yet is null."""

    frames_sampled: int
    frames_embedded: int
    frames_estimated: int | None
    frames_per_s: float | None
    left_s: float | None

    @classmethod
    def of(cls, progress: Progress) -> Self:
        """Round what the gate counts."""
        rate, left_s = progress.rate, progress.left_s
        return cls(
            frames_sampled=progress.sampled,
            frames_embedded=progress.embedded,
            frames_estimated=progress.estimated,
            frames_per_s=None if rate is None else round(rate, 2),
            left_s=None if left_s is None else round(left_s, 1),
        )

    @property
    def total(self) -> int | None:
        """The frames expected in all; a header's estimate that proves too small is corrected."""
        if self.frames_estimated is None:
            return None
        return max(self.frames_estimated, self.frames_sampled)


class SubmissionInfo(_Part):
    """One submission; `progress` while it is unfinished, `error` where it failed.

    `model_served` false means that an unfinished one waits for a worker with its model.
    """

    id: str
    source: str
    status: Status
    priority: str
    model: str
    model_key: str
    model_served: bool
    sampling: str
    media_sha256: str
    host: str | None
    created_at: datetime
    finished_at: datetime | None
    progress: ProgressInfo | None
    error: ErrorInfo | None


class WorkerInfo(_Part):
    """One process at work; `paused` is the code of what it waits out.

    `centred_cosine` is how near its device came to float32 on the CPU when it started.
    """

    name: str
    role: str
    host: str
    state: str
    paused: str | None
    jobs_done: int
    model: str | None
    device: str | None
    precision: str | None = None
    device_name: str | None = None
    software: str | None = None
    centred_cosine: float | None = None


class QueueInfo(_Part):
    """Jobs of one role, over models and priorities; dead ones are no longer tried."""

    waiting: int = 0
    running: int = 0
    scheduled: int = 0
    dead: int = 0


class Overview(_Part):
    """Everything that `clipwarden status` tells."""

    overview_schema: Literal["clipwarden.status/1"] = Field(
        default="clipwarden.status/1", alias="schema"
    )
    counts: dict[str, int]
    queues: dict[str, QueueInfo]
    workers: tuple[WorkerInfo, ...]
    submissions: tuple[SubmissionInfo, ...]

    @property
    def is_settled(self) -> bool:
        """Whether all submissions in it have ended."""
        return all(one.status.is_final for one in self.submissions)


@dataclass(frozen=True)
class Selection:
    """Which submissions are told of: those named, or the newest of a status or of any."""

    ids: tuple[str, ...] = ()
    status: Status | None = None
    limit: int = 20

    def rows(self, database: Database) -> list[Submission]:
        """Its submissions, newest first."""
        query = select(Submission).where(Submission.tenant == DEFAULT_TENANT)
        if self.ids:
            query = query.where(Submission.id.in_(self.ids))
        elif self.status is not None:
            query = query.where(Submission.status == self.status)
        query = query.order_by(Submission.created_at.desc(), Submission.id)
        with database.read() as session:
            rows = list(session.scalars(query if self.ids else query.limit(self.limit)))
            session.expunge_all()
        return rows


def full_ids(database: Database, ids: Sequence[str]) -> tuple[str, ...]:
    """The ids that these, or beginnings of ids, stand for; raises SubmissionNotFound."""
    found = (find_submission(database, DEFAULT_TENANT, one).id for one in ids)
    return tuple(dict.fromkeys(found))


def count_unfinished(database: Database) -> int:
    """How many submissions have not ended."""
    return _counts(database)[Status.QUEUED]


def read_overview(stores: Stores, selection: Selection) -> Overview:
    """Look at everything now; raises QueueUnavailable, DatabaseError."""
    server = read_queue_server(stores.redis)
    return Overview(
        counts={str(status): count for status, count in _counts(stores.database).items()},
        queues=_queues(server.queues),
        workers=tuple(map(_worker, server.presences)),
        submissions=_submissions(stores, selection, models_served(server.presences)),
    )


def _submissions(
    stores: Stores, selection: Selection, served: Mapping[str, object]
) -> tuple[SubmissionInfo, ...]:
    rows = selection.rows(stores.database)
    progresses = {
        row.id: Gate(stores.redis, work_of(row)).progress()
        for row in rows
        if row.status == Status.QUEUED
    }
    # Asked again: one that has ended meanwhile has no progress any more.
    if progresses:
        rows = Selection(ids=tuple(row.id for row in rows)).rows(stores.database)
    return tuple(_submission(row, progresses.get(row.id), served) for row in rows)


def _submission(
    row: Submission, progress: Progress | None, served: Mapping[str, object]
) -> SubmissionInfo:
    status = Status(row.status)
    error = None
    if row.error_code is not None:
        error = ErrorInfo(
            code=row.error_code, message=row.error_message or "", cure=row.error_cure or ""
        )
    return SubmissionInfo(
        id=row.id,
        source=row.source,
        status=status,
        priority=row.priority,
        model=ModelCard.from_json(row.model_card).id,
        model_key=row.model_key,
        model_served=row.model_key in served,
        sampling=row.sampling,
        media_sha256=row.media_sha256,
        host=row.host,
        created_at=row.created_at,
        finished_at=row.finished_at,
        progress=None if progress is None or status.is_final else ProgressInfo.of(progress),
        error=error,
    )


def _worker(presence: Presence) -> WorkerInfo:
    model = presence.model
    return WorkerInfo(
        name=presence.name,
        role=presence.role,
        host=presence.host,
        state=presence.state,
        paused=presence.paused,
        jobs_done=presence.jobs_done,
        model=None if model is None else model.id,
        device=None if model is None else model.device,
        precision=None if model is None else model.precision,
        device_name=None if model is None else model.device_name,
        software=None if model is None else model.software,
        centred_cosine=None if model is None else model.centred_cosine,
    )


def _queues(readings: Sequence[QueueReading]) -> dict[str, QueueInfo]:
    sums: dict[str, QueueInfo] = {role: QueueInfo() for role in ("sample", "embed", "finish")}
    for one in readings:
        known = sums.get(one.labels.role, QueueInfo())
        sums[one.labels.role] = QueueInfo(
            waiting=known.waiting + one.waiting,
            running=known.running + one.running,
            scheduled=known.scheduled + one.scheduled,
            dead=known.dead + one.dead,
        )
    return sums


def _counts(database: Database) -> dict[Status, int]:
    query = (
        select(Submission.status, func.count())
        .where(Submission.tenant == DEFAULT_TENANT)
        .group_by(Submission.status)
    )
    with database.read() as session:
        found = {str(status): count for status, count in session.execute(query)}
    return {status: found.get(status.value, 0) for status in Status}
