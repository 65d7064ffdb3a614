"""When a job's error ends its video: at once if the input is at fault, else at the last attempt."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from rq import get_current_job

from ingest.errors import DatabaseUnavailable, JobFailed, QueueUnavailable
from prompts.errors import ClipwardenError

_RECORD_PAUSE_S = 1.0

_log = structlog.get_logger("clipwarden.queue")


@dataclass(frozen=True)
class Handler:
    """What a worker does for one kind of job: the work, and the report that it can't be done.

    Both take the job's argument. `give_up` is called once, with the error that ends the job for
    good, possibly in another process than the one that tried.
    """

    run: Callable[[object], None]
    give_up: Callable[[object, ClipwardenError], None]


def attempt(handler: Handler, args: object) -> None:
    """Run a handler; give up where trying again won't help or is no longer possible.

    An error that trying again won't mend is reported and swallowed, for the job itself did what
    it could; any other goes on to RQ, which retries or fails the job.
    """
    try:
        handler.run(args)
    except Exception as error:
        final = isinstance(error, ClipwardenError) and not error.retry_helps
        if final or _attempts_left() == 0:
            _give_up(handler, args, _presentable(error))
        if not final:
            raise


def _give_up(handler: Handler, args: object, error: ClipwardenError) -> None:
    """Report until it is recorded: a video that nobody reports would be waited for, for ever."""
    while True:
        try:
            handler.give_up(args, error)
        except (DatabaseUnavailable, QueueUnavailable) as reason:
            _log.warning("giving up is not recorded yet", code=error.code, reason=reason.message)
            time.sleep(_RECORD_PAUSE_S)
        else:
            return


def _attempts_left() -> int:
    job = get_current_job()
    return 0 if job is None else job.retries_left or 0


def _presentable(error: Exception) -> ClipwardenError:
    if isinstance(error, ClipwardenError):
        return error
    words = " ".join(str(error).split())
    return JobFailed(
        f"a job failed with {type(error).__name__}: {words}.",
        "Look into the logs folder of the data folder; this is a defect worth reporting.",
    )
