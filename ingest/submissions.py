"""The life of a submission in SQL: queued, then done, partial, failed or cancelled."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.database import Database
from ingest.queue.connection import (
    FINISH_QUEUE,
    FINISH_TIMEOUT_S,
    SAMPLE_QUEUE,
    SAMPLE_TIMEOUT_S,
    enqueue_once,
    open_queue,
)
from ingest.queue.gate import SAMPLING, Gate
from ingest.queue.jobs import FINISH, SAMPLE
from ingest.queue.payloads import FinishJob, SampleJob, Work
from ingest.tables import Installation, Status, Submission
from prompts.errors import ClipwardenError


@dataclass(frozen=True)
class Wish:
    """What is to be analysed, and how; everything a submission row and its jobs need."""

    work: Work
    path: Path
    source: str
    size_bytes: int
    model_card: str
    sampling: str
    geometry: str
    prompt_set_sha256s: tuple[str, ...]


def installation_id(database: Database) -> str:
    """The random name of the installation that a database belongs to; made at first asking."""
    with database.begin() as session:
        row = session.scalars(select(Installation)).first()
        if row is None:
            row = Installation(id=uuid.uuid4().hex)
            session.add(row)
        return row.id


def submit(database: Database, connection: Redis, wish: Wish, *, is_embedded: bool) -> str:
    """Record a wish, queue its first job, and return the submission's id.

    Where the work is embedded already there is nothing to sample: only the finish is queued.
    """
    submission_id = uuid.uuid4().hex
    with database.begin() as session:
        session.add(_row(submission_id, wish))
    gate = Gate(connection, wish.work)
    if is_embedded:
        gate.join(submission_id)
        queue_finish(connection, wish.work, [submission_id])
        return submission_id
    # Pending from now on, not from when it is sampled: else a chunk left over from a cancelled
    # video, of which others were dropped, could be the last one and end the work.
    gate.open([_sampling_member(submission_id)])
    gate.join(submission_id)
    job = SampleJob(
        submission_id=submission_id,
        work=wish.work,
    )
    enqueue_once(
        open_queue(SAMPLE_QUEUE, connection),
        SAMPLE,
        job,
        job_id=f"sample-{submission_id}",
        timeout_s=SAMPLE_TIMEOUT_S,
    )
    return submission_id


def end_sampling(connection: Redis, work: Work, submission_id: str) -> None:
    """Say that a submission's sampling is over, whatever came of it.

    Where nothing else is pending, this queues the finish of all who wait for the work.
    """
    gate = Gate(connection, work)
    if gate.close([_sampling_member(submission_id)]):
        queue_finish(connection, work, gate.waiting())


def queue_finish(connection: Redis, work: Work, submission_ids: Sequence[str]) -> None:
    """Queue the finish job of each submission, once."""
    queue = open_queue(FINISH_QUEUE, connection)
    for submission_id in submission_ids:
        enqueue_once(
            queue,
            FINISH,
            FinishJob(submission_id=submission_id, work=work),
            job_id=f"finish-{submission_id}",
            timeout_s=FINISH_TIMEOUT_S,
        )


def fail(
    database: Database, connection: Redis, work: Work, submission_id: str, error: ClipwardenError
) -> None:
    """End a submission with an error, unless it has ended."""
    with database.begin() as session:
        row = _find(session, work.tenant, submission_id)
        if row is not None and not Status(row.status).is_final:
            row.status = Status.FAILED
            row.error_code, row.error_message, row.error_cure = (
                error.code,
                error.message,
                error.cure,
            )
            row.finished_at = datetime.now(UTC)
    Gate(connection, work).leave(submission_id)
    end_sampling(connection, work, submission_id)


def cancel_unfinished(database: Database, connection: Redis, tenant: str) -> int:
    """Cancel every submission that has not ended, and return how many there were.

    Their queued jobs find nobody waiting and end themselves.
    """
    with database.begin() as session:
        query = select(Submission).where(
            Submission.tenant == tenant, Submission.status == Status.QUEUED
        )
        rows = session.scalars(query).all()
        for row in rows:
            row.status = Status.CANCELLED
            row.finished_at = datetime.now(UTC)
        unfinished = [(row.id, work_of(row)) for row in rows]
    for submission_id, work in unfinished:
        Gate(connection, work).leave(submission_id)
    for submission_id, work in unfinished:
        end_sampling(connection, work, submission_id)
    return len(unfinished)


def work_of(row: Submission) -> Work:
    """The work that a submission waits for."""
    return Work(
        tenant=row.tenant,
        media_sha256=row.media_sha256,
        sampling_key=row.sampling_key,
        model_key=row.model_key,
    )


def _sampling_member(submission_id: str) -> str:
    """The name under which a submission's sampling is pending."""
    return f"{SAMPLING}:{submission_id}"


def _find(session: Session, tenant: str, submission_id: str) -> Submission | None:
    return session.get(Submission, (tenant, submission_id))


def _row(submission_id: str, wish: Wish) -> Submission:
    return Submission(
        tenant=wish.work.tenant,
        id=submission_id,
        source=wish.source,
        media_url=wish.path.as_uri(),
        media_sha256=wish.work.media_sha256,
        size_bytes=wish.size_bytes,
        model_key=wish.work.model_key,
        model_card=wish.model_card,
        sampling=wish.sampling,
        geometry=wish.geometry,
        sampling_key=wish.work.sampling_key,
        prompt_sets=list(wish.prompt_set_sha256s),
        status=Status.QUEUED,
        created_at=datetime.now(UTC),
    )
