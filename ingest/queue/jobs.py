"""Jobs that can only call what a worker was built with, whatever Redis says.

RQ imports a job's function by the name found in Redis, so whoever can write there can run
anything importable. Here names are looked up in a table that the worker process made itself;
callbacks and webhooks, which we don't use, are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from rq.job import Job

from ingest.errors import JobRefused
from ingest.queue.attempts import Handler, attempt

SAMPLE = "clipwarden.sample"
EMBED = "clipwarden.embed"
TEXT = "clipwarden.text"
FINISH = "clipwarden.finish"


class AllowlistedJob(Job):
    """A job whose function comes from `handlers`; producers use it with an empty table."""

    handlers: ClassVar[Mapping[str, Handler]] = {}

    @property
    def func(self) -> Callable[[object], None]:
        """An attempt at this job; raises JobRefused where no handler has its name."""
        self._refuse_extras()
        return partial(attempt, self.handler)

    @property
    def handler(self) -> Handler:
        """The handler of this job's name; raises JobRefused where there is none."""
        handler = self.handlers.get(self.func_name or "")
        if handler is None:
            raise JobRefused(
                f"job {self.id} asks for {self.func_name!r}, which this worker does not do.",
                "Something else writes to this queue server; give Clipwarden one of its own.",
            )
        return handler

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

    def _refuse_extras(self) -> None:
        callbacks = (
            self._success_callback_name,
            self._failure_callback_name,
            self._stopped_callback_name,
        )
        if any(callbacks) or self.webhooks:
            raise JobRefused(
                f"job {self.id} carries callbacks or webhooks, which no job of ours does.",
                "Something else writes to this queue server; give Clipwarden one of its own.",
            )


def job_class_for(handlers: Mapping[str, Handler]) -> type[AllowlistedJob]:
    """Return the job class of a worker process that does exactly these handlers' work."""
    return type("WorkerJob", (AllowlistedJob,), {"handlers": dict(handlers)})
