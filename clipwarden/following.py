"""Waiting for submissions: how far each is, which have ended, and mending what got lost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from ingest.queue.gate import Gate, Progress
from ingest.queue.payloads import Work
from ingest.repair import repair
from ingest.stores import Stores
from ingest.tables import DEFAULT_TENANT, Status, Submission
from worker.results import is_embedded

_POLL_S = 0.2

# The first in the queue are those that move, and more bars fit on no screen.
_MAX_WATCHED = 16

# SQLite takes some thousands of values in one statement.
_IDS_AT_ONCE = 500

_MEND_S = 5.0


@dataclass(frozen=True)
class Pending:
    """A submission that has not ended; `index` is its place among those waited for."""

    index: int
    source: str
    submission_id: str
    work: Work


class Watcher:
    """Told how a run goes on; the base tells nobody."""

    def starting(self) -> None:
        """Queue server and workers are coming up."""

    def ready(self) -> None:
        """Every worker takes jobs: the model is loaded."""

    def progressed(self, pending: Pending, progress: Progress) -> None:
        """A submission is this far."""

    def finished(self, index: int) -> None:
        """An input has its result."""


class Follower:
    """Looks after submissions that somebody waits for."""

    def __init__(self, stores: Stores, watcher: Watcher) -> None:
        self._stores = stores
        self._watcher = watcher
        self._mend_due_s = 0.0

    def look(self, pending: Sequence[Pending]) -> list[Pending]:
        """Tell the watcher how far the first are, and return those that have ended."""
        watched = pending[:_MAX_WATCHED]
        for entry in watched:
            self._watcher.progressed(entry, Gate(self._stores.redis, entry.work).progress())
        unfinished = self._unfinished(pending)
        self._mend([entry for entry in watched if entry.submission_id in unfinished])
        return [entry for entry in pending if entry.submission_id not in unfinished]

    def _unfinished(self, pending: Sequence[Pending]) -> set[str]:
        ids = [entry.submission_id for entry in pending]
        found: set[str] = set()
        with self._stores.database.read() as session:
            for start in range(0, len(ids), _IDS_AT_ONCE):
                query = select(Submission.id).where(
                    Submission.tenant == DEFAULT_TENANT,
                    Submission.id.in_(ids[start : start + _IDS_AT_ONCE]),
                    Submission.status == Status.QUEUED,
                )
                found.update(session.scalars(query))
        return found

    def _mend(self, entries: Sequence[Pending]) -> None:
        """Put back what the queue server has no trace of, sooner than the keeper would."""
        if time.monotonic() < self._mend_due_s:
            return
        self._mend_due_s = time.monotonic() + _MEND_S
        redis = self._stores.redis
        if any(one.submission_id not in Gate(redis, one.work).waiting() for one in entries):
            # Harmless where one of them has just ended.
            repair(self._stores, lambda work: is_embedded(self._stores, work))


def follow(stores: Stores, pending: Sequence[Pending], watcher: Watcher) -> Iterator[Pending]:
    """Yield submissions as they end, until all have."""
    follower, left = Follower(stores, watcher), list(pending)
    while left:
        for entry in follower.look(left):
            left.remove(entry)
            watcher.finished(entry.index)
            yield entry
        if left:
            time.sleep(_POLL_S)
