"""Jobs that can only call what a worker was built with, whatever Redis says.

RQ imports a job's function by the name found in Redis, so whoever can write there can run
anything importable. Here names are looked up in a table that the worker process made itself;
callbacks and webhooks, which we don't use, are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from ingest.errors import JobRefused
from ingest.queue.attempts import Handler
from ingest.queue.reaching import reaching_queue

SAMPLE = "clipwarden.sample"
EMBED = "clipwarden.embed"
TEXT = "clipwarden.text"
FINISH = "clipwarden.finish"

_CURE = "Something else writes to this queue server; give Clipwarden one of its own."


class AllowlistedJob(Job):
    """A job that RQ can neither call nor make anything else of: PinnedWorker runs it."""

    @property
    def func(self) -> Callable[[object], None]:
        """Refuse: RQ would call whatever the name found in Redis stands for."""
        raise JobRefused(f"job {self.id} was given to a worker that is none of ours.", _CURE)

    @property
    def success_callback(self) -> None:
        """Never any."""
        return

    @property
    def failure_callback(self) -> None:
        """Never any."""
        return

    @property
    def stopped_callback(self) -> None:
        """Never any."""
        return

    def send_webhooks(self, *_args: Any, **_kwargs: Any) -> None:
        """Send nothing: a job must not make this process talk to an address of its choice."""

    def handler_in(self, handlers: Mapping[str, Handler]) -> Handler:
        """Look the job's handler up; raises JobRefused where it is not one of ours."""
        callbacks = (
            self._success_callback_name,
            self._failure_callback_name,
            self._stopped_callback_name,
        )
        if any(callbacks) or self.webhooks:
            raise JobRefused(
                f"job {self.id} carries callbacks or webhooks, which no job of ours does.", _CURE
            )
        handler = handlers.get(self.func_name or "")
        if handler is None:
            raise JobRefused(
                f"job {self.id} asks for {self.func_name!r}, which this worker does not do.", _CURE
            )
        return handler


@reaching_queue()
def fetch_job(connection: Redis, job_id: str) -> AllowlistedJob:
    """Read a job; raises RQ's NoSuchJobError, and JobRefused where what stands there is no job."""
    try:
        job = AllowlistedJob.fetch(job_id, connection=connection, serializer=JSONSerializer)
        # RQ decodes them when they are first asked for, which is too late to refuse them.
        is_ours = isinstance(job.func_name, str) and len(job.args) == 1
    except (NoSuchJobError, RedisError):
        raise
    except Exception as error:
        raise JobRefused(f"job {job_id} can't be read: {error}.", _CURE) from error
    if not is_ours:
        raise JobRefused(f"job {job_id} has not one argument, as each of ours does.", _CURE)
    assert isinstance(job, AllowlistedJob)
    return job
