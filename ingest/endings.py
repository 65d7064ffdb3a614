"""How a submission ends other than well: failed, cancelled; and how it is tried again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from redis import Redis
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.serializers import JSONSerializer
from sqlalchemy import select, update

from ingest.errors import StillRunning, SubmissionEnded, SubmissionNotEnded
from ingest.keys import work_pixels
from ingest.queue.backlog import Backlog
from ingest.queue.enqueueing import jobs_alive
from ingest.queue.gate import Gate
from ingest.queue.leases import withdraw
from ingest.queue.meters import Meter, add_to_meters
from ingest.queue.payloads import Work
from ingest.queue.reaching import reaching_queue
from ingest.stores import Stores
from ingest.submissions import find_submission, unfinished_of
from ingest.tables import Media, Status, Submission
from ingest.works import (
    IsEmbedded,
    close_lost,
    end_job,
    finish_job_id,
    leave_work,
    place_sampling,
    sample_job_id,
    set_out,
    work_of,
)
from prompts.errors import ClipwardenError

# A worker that is told to stop ends its process after five seconds, and is then gone at once.
_STOP_WAIT_S = 8.0
_STOP_AGAIN_S = 1.0
_POLL_S = 0.05

_log = structlog.get_logger("clipwarden.endings")


def fail(stores: Stores, work: Work, submission_id: str, error: ClipwardenError) -> None:
    """End a submission with an error, unless it has ended."""
    _end(stores, work.tenant, submission_id, Status.FAILED, error)
    leave_work(stores, work, submission_id)


def fail_all(stores: Stores, work: Work, error: ClipwardenError) -> list[str]:
    """End every submission that wants a work with an error; returns their ids."""
    ids = [row.id for row in unfinished_of(stores.database, work)]
    for submission_id in ids:
        fail(stores, work, submission_id, error)
    end_job(stores.redis, work, sample_job_id(work))
    return ids


def cancel(stores: Stores, tenant: str, submission_id: str, is_embedded: IsEmbedded) -> None:
    """Cancel a submission; nothing of it runs any more when this returns.

    What others wait for goes on. Raises SubmissionNotFound, SubmissionEnded; StillRunning where it
    is cancelled, but a worker that does not answer has a job of it, which a second call ends.
    """
    row = find_submission(stores.database, tenant, submission_id)
    is_cancelled = _end(stores, tenant, row.id, Status.CANCELLED, None)
    row = find_submission(stores.database, tenant, row.id)
    if not is_cancelled and not _is_left_running(stores.redis, row):
        raise SubmissionEnded(
            f"submission {row.id} has ended: it is {row.status}.",
            "There is nothing left to cancel; `clipwarden purge` deletes what it left.",
        )
    release(stores, row, is_embedded)


def cancel_runs(
    stores: Stores,
    tenant: str,
    is_embedded: IsEmbedded,
    *,
    host: str,
    run_id: str | None = None,
) -> int:
    """Cancel what commands on a host waited for that are gone now, or one run of them.

    Returns how many there were. Without a `run_id` it needs the data folder's lock: nobody else's
    run can be under way on this host.
    """
    query = select(Submission).where(
        Submission.tenant == tenant,
        Submission.status == Status.QUEUED,
        Submission.run_id.is_not(None) if run_id is None else Submission.run_id == run_id,
        Submission.host == host,
    )
    with stores.database.read() as session:
        rows = list(session.scalars(query))
        session.expunge_all()
    for row in rows:
        _end(stores, tenant, row.id, Status.CANCELLED, None)
    for row in rows:
        try:
            release(stores, row, is_embedded)
        except StillRunning as error:
            _log.warning("a worker does not let go", reason=error.message, cure=error.cure)
    return len(rows)


def retry(stores: Stores, tenant: str, submission_id: str, is_embedded: IsEmbedded) -> None:
    """Set a failed or cancelled submission out anew; raises SubmissionNotEnded for any other."""
    row = find_submission(stores.database, tenant, submission_id)
    with stores.database.begin() as session:
        # Retention, which would delete its media, locks both in this order too.
        session.get(Media, (tenant, row.media_sha256), with_for_update=True)
        row = session.get_one(Submission, (tenant, row.id), with_for_update=True)
        if row.status not in (Status.FAILED, Status.CANCELLED):
            raise SubmissionNotEnded(
                f"submission {row.id} is {row.status}.",
                "Only what failed or was cancelled can be tried again.",
            )
        row.status, row.finished_at = Status.QUEUED, None
        row.error_code = row.error_message = row.error_cure = None
        session.flush()
        session.expunge(row)
    set_out(stores, row, is_embedded)


def release(stores: Stores, row: Submission, is_embedded: IsEmbedded) -> None:
    """Take an ended submission off the queue, with its work where nobody else wants it.

    Raises StillRunning where a worker does not let go of a job; it can then be called again.
    """
    work, gate = work_of(row), Gate(stores.redis, work_of(row))
    pending = gate.pending()
    if gate.leave(row.id):
        # It may wait where only this one wanted it.
        place_sampling(stores, work)
        running = _end_jobs(stores.redis, [finish_job_id(row.id)])
    else:
        running = _end_jobs(stores.redis, [finish_job_id(row.id), *pending])
        late = () if gate.is_awaited() else gate.pending()
        # What a sampler queued until it was stopped.
        running += _end_jobs(stores.redis, late)
        _clear(stores, work, {*pending, *late}, set(running) - {finish_job_id(row.id)})
        # Whoever submitted the same meanwhile had its jobs taken away: they are set out anew.
        for other in unfinished_of(stores.database, work):
            set_out(stores, other, is_embedded)
    if running:
        raise StillRunning(
            f"submission {row.id} is cancelled, but a worker still has {len(running)} of its jobs "
            "and does not answer.",
            "Run the command again in 15 s: a worker that is frozen or cut off has lost them then.",
        )


def _clear(stores: Stores, work: Work, ended: set[str], running: set[str]) -> None:
    """Forget the jobs of a work that nobody wants; those that run stay known, with their pixels."""
    if running:
        Gate(stores.redis, work).open(running)
    else:
        stores.blobs.delete_tree(work_pixels(work))
    backlog = Backlog(stores.redis)
    for job_id in ended - running:
        backlog.remove(job_id)
    close_lost(stores.redis, work)


def _is_left_running(redis: Redis, row: Submission) -> bool:
    """Whether jobs are left of a cancelled submission, which somebody could not end."""
    if row.status != Status.CANCELLED:
        return False
    gate = Gate(redis, work_of(row))
    pending = () if gate.is_awaited() else gate.pending()
    return bool(jobs_alive(redis, [finish_job_id(row.id), *pending]))


@reaching_queue()
def _end_jobs(redis: Redis, job_ids: Sequence[str]) -> list[str]:
    """Withdraw the jobs that wait, stop those that run, and wait; returns those that still run."""
    left = [job_id for job_id in job_ids if not withdraw(redis, job_id)]
    deadline = time.monotonic() + _STOP_WAIT_S
    ask_again_s = 0.0
    while left and time.monotonic() < deadline:
        if time.monotonic() >= ask_again_s:
            ask_again_s = time.monotonic() + _STOP_AGAIN_S
            for job_id in left:
                _ask_to_stop(redis, job_id)
        time.sleep(_POLL_S)
        left = [job_id for job_id in left if not withdraw(redis, job_id)]
    return left


def _ask_to_stop(redis: Redis, job_id: str) -> None:
    try:
        send_stop_job_command(redis, job_id, serializer=JSONSerializer)
    except (NoSuchJobError, InvalidJobOperation):
        # It ended by itself.
        return


def _end(
    stores: Stores, tenant: str, submission_id: str, status: Status, error: ClipwardenError | None
) -> bool:
    """Record an end; says False where there was one already."""
    values = {
        "status": status,
        "finished_at": datetime.now(UTC),
        "error_code": error and error.code,
        "error_message": error and error.message,
        "error_cure": error and error.cure,
    }
    change = (
        update(Submission)
        .where(
            Submission.tenant == tenant,
            Submission.id == submission_id,
            Submission.status == Status.QUEUED,
        )
        .values(values)
    )
    with stores.database.begin() as session:
        ended = bool(session.execute(change).rowcount)  # type: ignore[attr-defined]  # of an UPDATE
    if ended:
        add_to_meters(stores.redis, {(Meter.SUBMISSIONS, status): 1})
    return ended
