"""When is a video's work complete, and who waits for it.

RQ's dependencies cost O(n^2) and hang when one parent is cancelled. Instead each work keeps two
sets: `pending`, the ids of the jobs that must end first, and `waiting`, the submissions that want
the result. Whoever removes the last pending job wakes those waiting.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from redis import Redis
from rq.utils import as_text

from ingest.queue.payloads import Work
from ingest.queue.reaching import reaching_queue

# Whoever comes while work is under way only waits for it.
_JOIN = """
redis.call('SADD', KEYS[1], ARGV[1])
if redis.call('SCARD', KEYS[2]) > 0 then return 0 end
redis.call('SADD', KEYS[2], ARGV[2])
return 1
"""

_LEAVE = """
redis.call('SREM', KEYS[1], ARGV[1])
local left = redis.call('SCARD', KEYS[1])
if left == 0 then redis.call('DEL', KEYS[2], KEYS[3]) end
return left
"""

_ESTIMATED = "estimated"
_BEGAN = "began_ms"
_RESAMPLED = "resampled"
_SAMPLED = "s"
_EMBEDDED = "e"


@dataclass(frozen=True)
class Progress:
    """How far a work is, in frames.

    `estimated` is what sampling expects in all, or None. `elapsed_s` is the time since the first
    chunk was taken up for embedding, or None before that.
    """

    sampled: int
    embedded: int
    estimated: int | None
    elapsed_s: float | None = None

    @property
    def rate(self) -> float | None:
        """Frames embedded per second so far; None where nothing can be said."""
        if not self.elapsed_s or not self.embedded:
            return None
        return self.embedded / self.elapsed_s

    @property
    def left_s(self) -> float | None:
        """Seconds of embedding left at that rate; None where the end is not known."""
        if self.rate is None or self.estimated is None:
            return None
        return max(0, max(self.estimated, self.sampled) - self.embedded) / self.rate


class Gate:
    """The pending and waiting sets and the progress of one work."""

    def __init__(self, connection: Redis, work: Work) -> None:
        self._connection = connection
        self._pending = f"clipwarden:pending:{work.id}"
        self._waiting = f"clipwarden:waiting:{work.id}"
        self._progress = f"clipwarden:progress:{work.id}"

    @reaching_queue()
    def join(self, submission_id: str, first_job_id: str) -> bool:
        """Let a submission wait for this work; says whether nothing of it is under way yet.

        If so, `first_job_id` is pending from now on, and the caller has to queue that job.
        """
        keys = (self._waiting, self._pending)
        return bool(self._connection.eval(_JOIN, 2, *keys, submission_id, first_job_id))

    @reaching_queue()
    def leave(self, submission_id: str) -> int:
        """Let a submission wait no longer; the last one takes all traces of the work along.

        Returns how many still wait.
        """
        keys = (self._waiting, self._pending, self._progress)
        return int(self._connection.eval(_LEAVE, 3, *keys, submission_id))

    @reaching_queue()
    def waiting(self) -> tuple[str, ...]:
        """The submissions that wait, in order of their ids."""
        members = self._connection.smembers(self._waiting)
        return tuple(sorted(as_text(member) for member in members))

    @reaching_queue()
    def awaits(self, submission_id: str) -> bool:
        """Whether that submission waits."""
        return bool(self._connection.sismember(self._waiting, submission_id))

    @reaching_queue()
    def is_awaited(self) -> bool:
        """Whether anybody waits."""
        return bool(self._connection.exists(self._waiting))

    @reaching_queue()
    def pending(self) -> tuple[str, ...]:
        """The ids of the jobs that must end first, in order."""
        members = self._connection.smembers(self._pending)
        return tuple(sorted(as_text(member) for member in members))

    @reaching_queue()
    def open(self, job_ids: Iterable[str]) -> None:
        """Add pending jobs; do it before queueing them."""
        self._connection.sadd(self._pending, *job_ids)

    @reaching_queue()
    def close(self, job_ids: Iterable[str]) -> bool:
        """Remove ended jobs and say, in the same step, whether none is left.

        Closing one twice is harmless: a repeated job gets the same answer again.
        """
        with self._connection.pipeline(transaction=True) as pipeline:
            pipeline.srem(self._pending, *job_ids)
            pipeline.scard(self._pending)
            left = pipeline.execute()[1]
        return int(left) == 0

    @reaching_queue()
    def expect(self, estimated: int | None) -> None:
        """Say how many frames sampling expects in all; None where it can't tell."""
        if estimated is None:
            self._connection.hdel(self._progress, _ESTIMATED)
        else:
            self._connection.hset(self._progress, _ESTIMATED, estimated)

    @reaching_queue()
    def note_sampled(self, chunk: int, frames: int) -> None:
        """Add a chunk to the progress; a chunk that comes again counts once."""
        self._connection.hset(self._progress, f"{_SAMPLED}{chunk}", frames)

    @reaching_queue()
    def note_begun(self) -> None:
        """Say that a chunk is being embedded: the rate counts from the first time on."""
        self._connection.hsetnx(self._progress, _BEGAN, round(time.time() * 1000))

    @reaching_queue()
    def note_embedded(self, chunk: int, frames: int) -> None:
        """Add an embedded chunk to the progress; a chunk that comes again counts once."""
        self._connection.hset(self._progress, f"{_EMBEDDED}{chunk}", frames)

    @reaching_queue()
    def note_resampled(self) -> int:
        """Count a sampling that had to be done again; returns how many there were."""
        return int(self._connection.hincrby(self._progress, _RESAMPLED, 1))

    @reaching_queue()
    def progress(self) -> Progress:
        """Read the progress; all zero before sampling began."""
        raw = self._connection.hgetall(self._progress)
        fields = {as_text(name): int(value) for name, value in raw.items()}
        began_ms, estimated = fields.pop(_BEGAN, None), fields.pop(_ESTIMATED, None)
        fields.pop(_RESAMPLED, None)
        return Progress(
            sampled=sum(count for name, count in fields.items() if name[0] == _SAMPLED),
            embedded=sum(count for name, count in fields.items() if name[0] == _EMBEDDED),
            estimated=estimated,
            elapsed_s=None if began_ms is None else max(0.0, time.time() - began_ms / 1000),
        )
