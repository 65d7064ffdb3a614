"""Takes the next job and loads its data while the one before is worked on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from ingest.queue.jobs import AllowlistedJob
from ingest.queue.leases import Lease
from prompts.errors import ClipwardenError

# No chunk takes so long to load: who hangs, as on a mount whose server is gone, would keep its
# lease for ever.
_PATIENCE_S = 60.0

_log = structlog.get_logger("clipwarden.queue")


@dataclass(frozen=True)
class Taken:
    """A leased job, and what was loaded for it, or None."""

    job: AllowlistedJob
    lease: Lease
    loaded: object = None


class Ahead:
    """At most one job ahead: its data is held in memory, and so is bounded by one chunk.

    `end_hung` is called where that does not come to an end, and is to end the process.
    """

    def __init__(
        self,
        take_next: Callable[[], Taken | None],
        load: Callable[[AllowlistedJob], object],
        end_hung: Callable[[], None],
    ) -> None:
        self._take_next = take_next
        self._load = load
        self._end_hung = end_hung
        self._taken: Taken | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take and load; `collect` comes before the next start."""
        self._thread = threading.Thread(target=self._fetch, name="ahead", daemon=True)
        self._thread.start()

    def collect(self) -> Taken | None:
        """Wait for what `start` began and return it, if there was a job."""
        if self._thread is not None:
            self._thread.join(_PATIENCE_S)
            if self._thread.is_alive():
                _log.error("loading ahead does not end, ending this process")
                self._end_hung()
            self._thread = None
        taken, self._taken = self._taken, None
        return taken

    def _fetch(self) -> None:
        try:
            self._taken = self._take_next()
        except ClipwardenError as error:
            # The main thread will meet it too, and wait.
            _log.warning("nothing taken ahead", code=error.code)
        if self._taken is None:
            return
        job, lease = self._taken.job, self._taken.lease
        try:
            self._taken = Taken(job, lease, self._load(job))
        except Exception as error:
            # The job's own attempt loads it again, and fails by its own rules.
            _log.warning("not loaded ahead", job=job.id, reason=str(error))
