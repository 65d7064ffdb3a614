"""Puts back on the queue what SQL says is unfinished and the queue server has no trace of."""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog
from sqlalchemy import select

from ingest.queue.backlog import Backlog
from ingest.queue.enqueueing import jobs_alive
from ingest.queue.gate import Gate
from ingest.stores import Stores
from ingest.tables import Status, Submission
from ingest.works import (
    IsEmbedded,
    finish_job_id,
    queue_finish,
    queue_sampling,
    sample_job_id,
    set_out,
    work_of,
)

# Longer than any of our processes takes from one of its steps to the next.
_SETTLING_S = 1.0

_log = structlog.get_logger("clipwarden.repair")


@dataclass(frozen=True)
class Repaired:
    """How many unfinished submissions there are, and which of them were lost."""

    unfinished: int
    lost: tuple[str, ...]


def repair(stores: Stores, is_embedded: IsEmbedded) -> Repaired:
    """See that every unfinished submission of every tenant has what will end it on the queue.

    Harmless at any time and from several processes: what is under way is left alone.
    """
    with stores.database.read() as session:
        query = select(Submission).where(Submission.status == Status.QUEUED)
        rows = list(session.scalars(query.order_by(Submission.created_at, Submission.id)))
        session.expunge_all()
    lost = [row for row in rows if _is_lost(stores, row)]
    if lost:
        # Or only on its way: between two steps of a submission, a sampling or a finish.
        time.sleep(_SETTLING_S)
        lost = [row for row in lost if _is_lost(stores, row)]
    for row in lost:
        _restore(stores, row, is_embedded)
    Backlog(stores.redis).forget_lost()
    if lost:
        _log.warning("lost submissions were put back on the queue", count=len(lost))
    return Repaired(len(rows), tuple(row.id for row in lost))


def _is_lost(stores: Stores, row: Submission) -> bool:
    """Whether nothing on the queue will end a submission that has not ended."""
    gate = Gate(stores.redis, work_of(row))
    finish, sample = finish_job_id(row.id), sample_job_id(work_of(row))
    if row.id in gate.waiting():
        pending = gate.pending()
        alive = jobs_alive(stores.redis, [*pending, finish, sample])
        # Asked again, for a job leaves the pending ones before it is deleted.
        gone = (set(pending) - alive).intersection(gate.pending())
        # A sampling that is under way opens jobs before it queues them.
        if finish in alive or sample in alive or (pending and not gone):
            return False
    return _is_unfinished(stores, row)


def _restore(stores: Stores, row: Submission, is_embedded: IsEmbedded) -> None:
    redis, work = stores.redis, work_of(row)
    gate, sample = Gate(redis, work), sample_job_id(work)
    pending = gate.pending()
    gone = set(pending) - jobs_alive(redis, pending)
    if row.id not in gate.waiting():
        if gone:
            gate.close(gone)
        set_out(redis, row, is_embedded)
    elif is_embedded(work):
        if not gone or gate.close(gone):
            queue_finish(redis, work, [row.id])
    else:
        # The sampling makes every chunk again; those that are embedded are not embedded again.
        gate.open([sample])
        if lost_chunks := gone - {sample}:
            gate.close(lost_chunks)
        queue_sampling(redis, row)


def _is_unfinished(stores: Stores, row: Submission) -> bool:
    with stores.database.read() as session:
        found = session.get(Submission, (row.tenant, row.id))
        return found is not None and not Status(found.status).is_final
