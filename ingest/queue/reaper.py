"""Puts dead and frozen workers' jobs back on their queues, and retries where they are due."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import structlog
from redis import Redis
from rq.exceptions import NoSuchJobError

from ingest.errors import JobLapsed, JobRefused, Passing, QueueFull, QueueUnavailable
from ingest.queue.attempts import LAPSE_BUDGET, Handler
from ingest.queue.jobs import fetch_job
from ingest.queue.leases import LEASE_S, Count, Lease, Outcome, counted, settle, was_begun
from ingest.queue.meters import Meter, add_to_meters
from ingest.queue.upkeep import forget_empty, known_queues, lapsed_leases, release_due

_SLOW_S = 1.0

# The first lapses are accidents, whose job is back at once. More are not believable as such: the
# job may well kill whoever takes it.
_PROMPT_LAPSES = 2
_FIRST_DELAY_S = 5.0
_LONGEST_DELAY_S = 300.0

Answer = TypeVar("Answer")

_log = structlog.get_logger("clipwarden.reaper")


class Reaper:
    """Finds lapsed leases. Several may run at once: each lease is ended by one of them only."""

    def __init__(self, connection: Redis, handlers: Mapping[str, Handler]) -> None:
        self._connection = connection
        self._handlers = handlers
        self._in_touch_since_s = time.monotonic() - LEASE_S

    def reap(self) -> None:
        """Put every lapsed job back on its queue, or give it up.

        After an outage of the queue server nobody could renew, so nobody is reaped until
        everybody had the time to.
        """
        try:
            lapsed = self._lapsed()
            if time.monotonic() - self._in_touch_since_s < LEASE_S:
                return
            for lease in lapsed:
                self._try_to_end(lease)
        except (QueueUnavailable, QueueFull):
            self._in_touch_since_s = time.monotonic()
            raise

    def release_due(self) -> None:
        """Put retries whose time has come back on their queues."""
        release_due(self._connection, *known_queues(self._connection))

    def forget_empty_queues(self) -> None:
        """Look no longer at queues that hold nothing: models are replaced, and hosts go."""
        forgotten = forget_empty(self._connection, *known_queues(self._connection))
        if forgotten:
            _log.debug("empty queues were forgotten", queues=forgotten)

    def _lapsed(self) -> list[Lease]:
        queues = self._timed(lambda: known_queues(self._connection))
        return self._timed(lambda: lapsed_leases(self._connection, *queues))

    def _timed(self, call: Callable[[], Answer]) -> Answer:
        asked_s = time.monotonic()
        answer = call()
        # Our client rides out short outages, and is only slow to answer then.
        if time.monotonic() - asked_s > _SLOW_S:
            self._in_touch_since_s = time.monotonic()
        return answer

    def _try_to_end(self, lease: Lease) -> None:
        try:
            self._end(lease)
        except (QueueUnavailable, QueueFull):
            raise
        except Exception:
            # The others' jobs don't wait for it.
            _log.exception("a lapsed lease can't be ended", job=lease.job_id, queue=lease.queue)

    def _end(self, lease: Lease) -> None:
        _, lapses = counted(self._connection, lease.job_id)
        outcome, count, delay_s = Outcome.AGAIN, Count.LAPSE, 0.0
        if not was_begun(self._connection, lease):
            # Only loaded ahead: it is not what its worker died of.
            count = Count.NOTHING
        elif lapses >= LAPSE_BUDGET:
            outcome = Outcome.DEAD
            if not self._give_up(lease, lapses + 1):
                return
        elif lapses >= _PROMPT_LAPSES:
            outcome, delay_s = Outcome.LATER, _delay_s(lapses)
        if settle(self._connection, lease, outcome, count=count, delay_s=delay_s):
            _log.warning("lease lapsed", job=lease.job_id, lapses=lapses, outcome=outcome)
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


def _delay_s(lapses: int) -> float:
    """How long a job waits that lapsed so often before."""
    doublings = min(lapses - _PROMPT_LAPSES, 10)
    return min(_FIRST_DELAY_S * 2.0**doublings, _LONGEST_DELAY_S)
