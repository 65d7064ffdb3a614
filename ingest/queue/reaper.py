"""Puts dead and frozen workers' jobs back on their queues, and retries where they are due."""

from __future__ import annotations

import time
from collections.abc import Mapping

import structlog
from redis import Redis
from rq.exceptions import NoSuchJobError

from ingest.errors import JobLapsed, JobRefused, Passing, QueueFull, QueueUnavailable
from ingest.queue.attempts import LAPSE_BUDGET, Handler
from ingest.queue.jobs import fetch_job
from ingest.queue.leases import (
    LEASE_S,
    Count,
    Lease,
    Outcome,
    counted,
    known_queues,
    lapsed_leases,
    release_due,
    settle,
)
from ingest.queue.meters import Meter, add_to_meters

_SLOW_S = 1.0

_log = structlog.get_logger("clipwarden.reaper")


class Reaper:
    """Finds lapsed leases. Several may run at once: each lease is ended by one of them only."""

    def __init__(self, connection: Redis, handlers: Mapping[str, Handler]) -> None:
        self._connection = connection
        self._handlers = handlers
        self._in_touch_since_s = time.monotonic() - LEASE_S

    def reap(self) -> None:
        """Put every lapsed job back at the front of its queue, or give it up.

        After an outage of the queue server nobody could renew, so nobody is reaped until
        everybody had the time to.
        """
        try:
            lapsed = self._lapsed()
            if time.monotonic() - self._in_touch_since_s < LEASE_S:
                return
            for lease in lapsed:
                self._end(lease)
        except (QueueUnavailable, QueueFull):
            self._in_touch_since_s = time.monotonic()
            raise

    def release_due(self) -> None:
        """Put retries whose time has come back on their queues."""
        for queue in known_queues(self._connection):
            release_due(self._connection, queue)

    def _lapsed(self) -> list[Lease]:
        asked_s = time.monotonic()
        lapsed = [
            lease
            for queue in known_queues(self._connection)
            for lease in lapsed_leases(self._connection, queue)
        ]
        # Our client rides out short outages, and is only slow to answer then.
        if time.monotonic() - asked_s > _SLOW_S:
            self._in_touch_since_s = time.monotonic()
        return lapsed

    def _end(self, lease: Lease) -> None:
        _, lapses = counted(self._connection, lease.job_id)
        outcome = Outcome.AGAIN
        if lapses >= LAPSE_BUDGET:
            outcome = Outcome.DEAD
            if not self._give_up(lease, lapses + 1):
                return
        if settle(self._connection, lease, outcome, count=Count.LAPSE):
            _log.warning("lease lapsed", job=lease.job_id, lapses=lapses + 1, outcome=outcome)
            add_to_meters(self._connection, {(Meter.JOBS, "lapsed"): 1})

    def _give_up(self, lease: Lease, lapses: int) -> bool:
        """Report a job's end; says False where that has to be done again.

        Other jobs don't wait for it: the database may be locked for long.
        """
        error = JobLapsed(
            f"the processes that worked on it died or froze {lapses} times.",
            "See the logs folder of the data folder; too little memory is a usual reason.",
        )
        try:
            job = fetch_job(self._connection, lease.job_id)
            job.handler_in(self._handlers).give_up(job.args[0], error)
        except (NoSuchJobError, JobRefused) as reason:
            _log.error("a lapsed job can't be reported", job=lease.job_id, reason=str(reason))
        except (QueueUnavailable, QueueFull):
            raise
        except Passing as reason:
            _log.warning("a lapsed job is reported later", job=lease.job_id, code=reason.code)
            return False
        except Exception:
            _log.exception("a lapsed job can't be reported yet", job=lease.job_id)
            return False
        return True
