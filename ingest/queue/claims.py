"""What a handler knows of the job in its hands: whether it is still ours, and when to wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TypeVar

import structlog
from redis import Redis

from ingest.errors import Passing
from ingest.queue.leases import Lease, is_held
from ingest.queue.meters import Meter, add_to_meters

Answer = TypeVar("Answer")

_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 10.0

_log = structlog.get_logger("clipwarden.queue")


class Reason(Enum):
    """Why a job is broken off."""

    STOPPED = "it was cancelled"
    HANDED_BACK = "it goes back to its queue"
    LOST = "its lease lapsed, somebody else works on it"
    POSTPONED = "something that it needs is on its way"
    TIMED_OUT = "it took longer than it may"
    BROKEN = "the process that works on it can't go on"


class Interrupted(BaseException):
    """Breaks a job off; no `except Exception` of a job must swallow it.

    One that is postponed is taken up again after `delay_s`.
    """

    def __init__(self, reason: Reason, delay_s: float = 0.0) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.delay_s = delay_s


class Stopwatch:
    """How long a job has been worked on, pauses left out, in seconds."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._paused_s = 0.0
        self._pause_began_s: float | None = None
        self.waits_for: str | None = None

    @property
    def running_s(self) -> float:
        """Working time so far."""
        until = self._pause_began_s or time.monotonic()
        return until - self._began_s - self._paused_s

    def pause(self, waits_for: str | None, at_s: float) -> None:
        """Stop the watch, put back to `at_s`; `waits_for` is the code of what is waited out."""
        now_s = time.monotonic()
        self._paused_s = now_s - self._began_s - at_s
        self._pause_began_s = now_s
        self.waits_for = waits_for

    def resume(self) -> None:
        """Let it go on."""
        if self._pause_began_s is not None:
            self._paused_s += time.monotonic() - self._pause_began_s
        self._pause_began_s = None
        self.waits_for = None


class Claim:
    """A job in this process's hands."""

    def __init__(
        self, connection: Redis, lease: Lease, watch: Stopwatch, loaded: object = None
    ) -> None:
        self._connection = connection
        self._lease = lease
        self._watch = watch
        self.loaded = loaded
        """What was loaded ahead for this job, or None."""

    def confirm(self) -> None:
        """Check before a commit that the job is still ours; breaks it off where it is not.

        A process that was frozen for longer than its lease would else write over what its
        successor wrote. Between this and the commit there is a moment left, so commits are
        keyed by content as well: the same job writes the same.
        """
        if not is_held(self._connection, self._lease):
            raise Interrupted(Reason.LOST)

    def patiently(self, step: Callable[[], Answer]) -> Answer:
        """Do a step, and again after a pause for as long as a shortage or an outage lasts.

        The job's time stands still meanwhile, what the vain tries took is not counted either, and
        none of its attempts is spent.
        """
        wait_s, noted = _FIRST_WAIT_S, ""
        while True:
            began_s = self._watch.running_s
            try:
                return step()
            except Passing as error:
                self._watch.pause(error.code, at_s=began_s)
                if error.code != noted:
                    self._note(error)
                    noted = error.code
                try:
                    time.sleep(wait_s)
                finally:
                    self._watch.resume()
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Wait for others within the block: the job's time stands still."""
        self._watch.pause(None, at_s=self._watch.running_s)
        try:
            yield
        finally:
            self._watch.resume()

    def _note(self, error: Passing) -> None:
        _log.warning("pausing", code=error.code, reason=error.message, cure=error.cure)
        add_to_meters(self._connection, {(Meter.PAUSES, error.code): 1})
