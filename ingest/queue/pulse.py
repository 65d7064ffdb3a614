"""The thread beside the work: renews leases, watches the clock, and says that we are here.

It runs while the main thread is inside a model or a decoder, so it is also what notices that a job
doesn't end. It breaks a job off by a signal, whose handler raises in the main thread; where that
does not help, because the main thread hangs in a call into C, it ends the process.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

import structlog
from redis import Redis

from ingest.errors import Passing
from ingest.queue.claims import Interrupted, Reason, Stopwatch
from ingest.queue.leases import BEAT_S, Count, Lease, Outcome, renew, settle

EXIT_HUNG = 70

BREAK_OFF_SIGNAL = signal.SIGUSR1

_TICK_S = 0.5

# A job that was told to stop has this long before its process is ended.
_BREAK_OFF_GRACE_S = 5.0

# One that timed out may still have to record that.
_TIMEOUT_GRACE_S = 60.0

# A process that is to end lets a short job end by itself.
_SHUTDOWN_GRACE_S = 3.0

# What becomes of a job that did not stop, before its process is ended; any other lapses. That a job
# hangs past its time is its own fault, not an accident.
_WHEN_HUNG = {
    Reason.STOPPED: (Outcome.DONE, Count.NOTHING),
    Reason.HANDED_BACK: (Outcome.AGAIN, Count.NOTHING),
    Reason.TIMED_OUT: (Outcome.LATER, Count.FAILURE),
}
_HUNG_DELAY_S = 60.0

_log = structlog.get_logger("clipwarden.queue")


@dataclass
class Run:
    """The job that the main thread works on."""

    lease: Lease
    timeout_s: float
    watch: Stopwatch = field(default_factory=Stopwatch)
    can_be_broken_off: bool = False
    reason: Reason | None = None
    asked_at_s: float = 0.0
    """What the watch showed then."""
    was_told: bool = False
    """Whether `reason` was raised in the main thread."""

    def ask(self, reason: Reason) -> bool:
        """Note why to break off; says False where it was asked for already.

        One that timed out may be broken off a second time, while it is being given up.
        """
        is_first = self.reason is None
        is_given_up = self.reason is Reason.TIMED_OUT and self.was_told
        if not is_first and (not is_given_up or reason is Reason.TIMED_OUT):
            return False
        self.reason, self.asked_at_s = reason, self.watch.running_s
        self.was_told = False
        return True


class Pulse:
    """Keeps what the main thread holds; `announce` is called at every beat."""

    def __init__(self, connection: Redis, announce: Callable[[], None]) -> None:
        self._connection = connection
        self._announce = announce
        self._lock = threading.Lock()
        self._leases: dict[str, Lease] = {}
        self._run: Run | None = None
        self._ends_at_s: float | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to beat; call it in the main thread, which gets the signal's handler."""
        signal.signal(BREAK_OFF_SIGNAL, self._raise_in_main_thread)
        self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._stopped.set()
        self._thread.join(timeout=2 * BEAT_S)

    def hold(self, lease: Lease) -> None:
        """Renew a lease from now on."""
        with self._lock:
            self._leases[lease.id] = lease

    def let_go(self, lease: Lease) -> None:
        """Renew it no longer."""
        with self._lock:
            self._leases.pop(lease.id, None)

    def holds(self, lease: Lease) -> bool:
        """Whether a lease was renewed all the time since it was taken."""
        with self._lock:
            return lease.id in self._leases

    def watch(self, run: Run | None) -> None:
        """Watch over the main thread's job from now on, or over none."""
        self._run = run

    @property
    def current(self) -> Run | None:
        """The job that is watched over."""
        return self._run

    def break_off(self, run: Run, reason: Reason) -> None:
        """Have the main thread's job raise Interrupted, once; call it from any thread."""
        if run.ask(reason):
            _log.info("breaking off", job=run.lease.job_id, reason=reason.value)
            os.kill(os.getpid(), BREAK_OFF_SIGNAL)

    def end_soon(self) -> None:
        """The process is to end: a job that does not end by itself soon is handed back."""
        if self._ends_at_s is None:
            self._ends_at_s = time.monotonic() + _SHUTDOWN_GRACE_S

    def end_hung(self) -> None:
        """End this process, which hangs outside any job; what it holds goes back."""
        with self._lock:
            leases = list(self._leases.values())
        try:
            for lease in leases:
                settle(self._connection, lease, Outcome.AGAIN)
        finally:
            os._exit(EXIT_HUNG)

    def _raise_in_main_thread(self, _number: int, frame: FrameType | None) -> None:
        run = self._run
        if run is None or run.reason is None or run.was_told or not run.can_be_broken_off:
            return
        # Between a command and its reply: the next command would read that reply as its own.
        # The signal comes again.
        if _is_in_client(frame):
            return
        run.was_told = True
        raise Interrupted(run.reason)

    def _beat(self) -> None:
        next_beat_s = 0.0
        while not self._stopped.wait(_TICK_S):
            self._check_clock()
            if time.monotonic() < next_beat_s:
                continue
            next_beat_s = time.monotonic() + BEAT_S
            try:
                self._renew_all()
                self._announce()
            except Passing as error:
                _log.warning("heartbeat failed", code=error.code, reason=error.message)
            except Exception:
                # Without this thread every lease of this process would lapse.
                _log.exception("heartbeat failed")

    def _renew_all(self) -> None:
        with self._lock:
            leases = list(self._leases.values())
        for lease in leases:
            if renew(self._connection, lease):
                continue
            run = self._run
            # Let go of, or settled, in this very moment.
            is_ending = run is not None and run.lease == lease and not run.can_be_broken_off
            if is_ending or not self.holds(lease):
                continue
            _log.warning("lease lapsed", job=lease.job_id)
            self.let_go(lease)
            if run is not None and run.lease == lease:
                self.break_off(run, Reason.LOST)

    def _check_clock(self) -> None:
        run, now_s = self._run, time.monotonic()
        if run is None:
            return
        if self._ends_at_s is not None and (now_s > self._ends_at_s or run.watch.waits_for):
            self.break_off(run, Reason.HANDED_BACK)
        if run.watch.running_s > run.timeout_s:
            self.break_off(run, Reason.TIMED_OUT)
        if run.reason is None:
            return
        if not run.was_told:
            os.kill(os.getpid(), BREAK_OFF_SIGNAL)
        grace_s = _TIMEOUT_GRACE_S if run.reason is Reason.TIMED_OUT else _BREAK_OFF_GRACE_S
        if run.watch.running_s - run.asked_at_s > grace_s:
            self._end_process(run, run.reason)

    def _end_process(self, run: Run, reason: Reason) -> None:
        _log.error("the job does not stop, ending this process", job=run.lease.job_id)
        with self._lock:
            others = [lease for lease in self._leases.values() if lease != run.lease]
        try:
            for lease in others:
                settle(self._connection, lease, Outcome.AGAIN)
            if reason in _WHEN_HUNG:
                outcome, count = _WHEN_HUNG[reason]
                settle(self._connection, run.lease, outcome, count=count, delay_s=_HUNG_DELAY_S)
        finally:
            os._exit(EXIT_HUNG)


def _is_in_client(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] == "redis":
            return True
        frame = frame.f_back
    return False
