"""Puts back on the queue what SQL says is unfinished and the queue server has no trace of."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

import structlog
from sqlalchemy import select

from ingest.endings import fail
from ingest.errors import JobRefused, QueueFailed
from ingest.queue.backlog import Backlog
from ingest.queue.enqueueing import job_has_failed, jobs_alive
from ingest.queue.gate import Gate
from ingest.queue.payloads import Work
from ingest.stores import Stores
from ingest.tables import Status, Submission
from ingest.works import (
    IsEmbedded,
    finish_job_id,
    place_sampling,
    queue_finish,
    queue_sampling,
    sample_job_id,
    set_out,
    work_of,
)

# Longer than any of our processes takes from one of its steps to the next.
_SETTLING_S = 1.0

# A job that is refused each time it is made is the processes' fault: no repair mends them.
_MAX_REFUSALS = 3

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
    refusals: dict[Work, int] = {}
    for row in lost:
        _restore_or_fail(stores, row, is_embedded, refusals)
    for work, wanting in Counter(work_of(row) for row in rows).items():
        # A job whose worker died went back to that host, though others may have a copy by now.
        if wanting > 1:
            place_sampling(stores, work)
    Backlog(stores.redis).forget_lost()
    if lost:
        _log.warning("lost submissions were put back on the queue", count=len(lost))
    return Repaired(len(rows), tuple(row.id for row in lost))


def _is_lost(stores: Stores, row: Submission) -> bool:
    """Whether nothing on the queue will end a submission that has not ended."""
    try:
        return not _is_under_way(stores, row) and _is_unfinished(stores, row)
    except QueueFailed as error:
        # The others are looked at all the same.
        _log.error("not looked at", submission=row.id, code=error.code, reason=error.message)
        return False


def _is_under_way(stores: Stores, row: Submission) -> bool:
    gate = Gate(stores.redis, work_of(row))
    finish, sample = finish_job_id(row.id), sample_job_id(work_of(row))
    if not gate.awaits(row.id):
        return False
    pending = gate.pending()
    alive = jobs_alive(stores.redis, [*pending, finish, sample])
    # Asked again, for a job leaves the pending ones before it is deleted.
    gone = (set(pending) - alive).intersection(gate.pending())
    # A sampling that is under way opens jobs before it queues them.
    return finish in alive or sample in alive or bool(pending and not gone)


def _restore_or_fail(
    stores: Stores, row: Submission, is_embedded: IsEmbedded, refusals: dict[Work, int]
) -> None:
    """Make anew what a submission lost, unless workers refused it again and again."""
    work = work_of(row)
    try:
        if _was_refused(stores, row):
            # Once a round: others wait for the same.
            if work not in refusals:
                refusals[work] = Gate(stores.redis, work).note_resampled()
            if refusals[work] > _MAX_REFUSALS:
                fail(stores, work, row.id, _refused(refusals[work]))
                return
        _restore(stores, row, is_embedded)
    except QueueFailed as error:
        _log.error("not repaired", submission=row.id, code=error.code, reason=error.message)


def _was_refused(stores: Stores, row: Submission) -> bool:
    """Whether a job was given up without ending its submission: nobody could read it."""
    pending = Gate(stores.redis, work_of(row)).pending()
    return any(job_has_failed(stores.redis, one) for one in (*pending, finish_job_id(row.id)))


def _refused(times: int) -> JobRefused:
    return JobRefused(
        f"the video's jobs were refused {times} times by those who are to do them.",
        "All processes of one installation must run the same release; see the logs folder.",
    )


def _restore(stores: Stores, row: Submission, is_embedded: IsEmbedded) -> None:
    redis, work = stores.redis, work_of(row)
    gate, sample = Gate(redis, work), sample_job_id(work)
    pending = gate.pending()
    gone = set(pending) - jobs_alive(redis, pending)
    if not gate.awaits(row.id):
        if gone:
            gate.close(gone)
        set_out(stores, row, is_embedded)
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
