"""When a job's error ends its video: at once if the input is at fault, else at the last attempt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rq import get_current_job

from ingest.errors import JobFailed, MediaError
from prompts.errors import ClipwardenError


@contextmanager
def reporting_errors(give_up: Callable[[ClipwardenError], None]) -> Iterator[None]:
    """Call `give_up` with the error that ends this job for good; let RQ retry any other.

    A MediaError is reported and swallowed, for the job itself did what it could.
    """
    try:
        yield
    except MediaError as error:
        give_up(error)
    except Exception as error:
        if _attempts_left() == 0:
            give_up(_presentable(error))
        raise


def _attempts_left() -> int:
    job = get_current_job()
    return 0 if job is None else job.retries_left or 0


def _presentable(error: Exception) -> ClipwardenError:
    if isinstance(error, ClipwardenError):
        return error
    return JobFailed(
        f"a job failed with {type(error).__name__}: {error}.",
        "Look into the logs folder of the data folder; this is a defect worth reporting.",
    )
