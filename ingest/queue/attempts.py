"""One attempt at a job, and what follows from how it ended.

A job may fail FAILURE_BUDGET times: its input or our code is then at fault. That the process which
works on it dies is counted apart and forgiven more often: a killed worker is not the video's fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from ingest.errors import JobFailed, JobRefused, JobTimedOut, Passing, ProcessBroken
from ingest.queue.claims import Claim, Interrupted, Reason
from ingest.queue.leases import Count, Outcome
from prompts.errors import ClipwardenError

FAILURE_BUDGET = 5
LAPSE_BUDGET = 50

# Before the second to the sixth attempt.
_DELAYS_S = (1.0, 5.0, 20.0, 60.0, 180.0)
# Before a job is given up again that could not be.
_GIVE_UP_DELAY_S = 60.0

_log = structlog.get_logger("clipwarden.queue")


@dataclass(frozen=True)
class Handler:
    """What a worker does for one kind of job: the work, and the report that it can't be done.

    All take the job's argument. `give_up` is called with the error that ends the job for good,
    possibly in another process than the one that tried, possibly twice. What `load` returns, if
    there is one, is fetched while the job before is worked on, and handed over as `claim.loaded`.
    """

    run: Callable[[object, Claim], None]
    give_up: Callable[[object, ClipwardenError], None]
    load: Callable[[object], object] | None = None


@dataclass(frozen=True)
class Verdict:
    """What becomes of a job after an attempt; None for one that is no longer ours.

    `ends_process` says that the process which tried can do no other job either.
    """

    outcome: Outcome | None
    count: Count = Count.NOTHING
    delay_s: float = 0.0
    was_stopped: bool = False
    ends_process: bool = False

    @property
    def label(self) -> str:
        """How it is counted: done, retried (after a failure), postponed, handed_back, stopped,
        dead, lost.
        """
        match self.outcome:
            case None:
                return "lost"
            case Outcome.DONE:
                return "stopped" if self.was_stopped else "done"
            case Outcome.AGAIN:
                return "handed_back"
            case Outcome.LATER:
                return "retried" if self.count is Count.FAILURE else "postponed"
            case Outcome.DEAD:
                return "dead"


_BROKEN_OFF = {
    Reason.STOPPED: Verdict(Outcome.DONE, was_stopped=True),
    Reason.HANDED_BACK: Verdict(Outcome.AGAIN),
    Reason.LOST: Verdict(None),
    # While it was being given up, which waited for the database.
    Reason.TIMED_OUT: Verdict(Outcome.AGAIN),
    # Counted as if the process had died in the middle of it.
    Reason.BROKEN: Verdict(Outcome.AGAIN, Count.LAPSE, ends_process=True),
}


def attempt(
    handler: Handler, args: object, claim: Claim, failures: int, timeout_s: float
) -> Verdict:
    """Run a handler once and say what becomes of its job.

    `failures` is how often it failed before. An error that trying again won't mend ends the job at
    once; any other does when the budget is spent. One that is refused is dead: who can't read it
    can't report it either.
    """
    try:
        # So often counted where it hung its processes, which then could not give it up.
        hangs = failures > FAILURE_BUDGET
        error = _timed_out(timeout_s) if hangs else _run(handler, args, claim, timeout_s)
        if error is None:
            return Verdict(Outcome.DONE)
        return _after(error, handler, args, claim, failures)
    except Interrupted as interruption:
        return broken_off(interruption)


def refused(error: JobRefused) -> Verdict:
    """What becomes of a job that is not one of ours."""
    _log.error("job refused", code=error.code, reason=error.message)
    return Verdict(Outcome.DEAD, Count.FAILURE)


def broken_off(interruption: Interrupted) -> Verdict:
    """What becomes of a job that was broken off."""
    if interruption.reason is Reason.POSTPONED:
        return Verdict(Outcome.LATER, Count.NOTHING, interruption.delay_s)
    return _BROKEN_OFF[interruption.reason]


def _run(handler: Handler, args: object, claim: Claim, timeout_s: float) -> ClipwardenError | None:
    try:
        claim.patiently(lambda: handler.run(args, claim))
    except Interrupted as interruption:
        if interruption.reason is not Reason.TIMED_OUT:
            raise
        return _timed_out(timeout_s)
    except ProcessBroken as error:
        _log.error("this process is broken", code=error.code, reason=error.message, cure=error.cure)
        raise Interrupted(Reason.BROKEN) from error
    except Exception as error:
        return _presentable(error)
    return None


def _timed_out(timeout_s: float) -> JobTimedOut:
    return JobTimedOut(
        f"a job took longer than {timeout_s:.0f} s.",
        "See whether the machine is overloaded or a file is endless; then try it again.",
    )


def _after(
    error: ClipwardenError, handler: Handler, args: object, claim: Claim, failures: int
) -> Verdict:
    if isinstance(error, JobRefused):
        return refused(error)
    if error.retry_helps and failures < FAILURE_BUDGET:
        _log.warning("attempt failed", code=error.code, reason=error.message, failures=failures + 1)
        return Verdict(Outcome.LATER, Count.FAILURE, _DELAYS_S[failures])
    # Until it is recorded: a video that nobody reports would be waited for, for ever.
    try:
        claim.patiently(lambda: handler.give_up(args, error))
    except JobRefused as reason:
        return refused(reason)
    except Exception:
        _log.exception("a job can't be given up yet", code=error.code)
        return Verdict(Outcome.LATER, Count.NOTHING, _GIVE_UP_DELAY_S)
    return Verdict(Outcome.DEAD, Count.FAILURE) if error.retry_helps else Verdict(Outcome.DONE)


def _presentable(error: Exception) -> ClipwardenError:
    assert not isinstance(error, Passing)
    if isinstance(error, ClipwardenError):
        return error
    _log.error("a job raised what nobody foresaw", exc_info=error)
    words = " ".join(str(error).split())
    return JobFailed(
        f"a job failed with {type(error).__name__}: {words}.",
        "Look into the logs folder of the data folder; this is a defect worth reporting.",
    )
