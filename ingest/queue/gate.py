"""When is a video's work complete, and who waits for it.

RQ's dependencies cost O(n^2) and hang when one parent is cancelled. Instead each work keeps two
sets: `pending`, with a member for the sampling and for each chunk, and `waiting`, with the
submissions that want the result. Whoever removes the last pending member wakes those waiting.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from redis import Redis
from rq.utils import as_text

from ingest.queue.connection import reaching_queue
from ingest.queue.payloads import Work

SAMPLING = "sampling"

# What an abandoned video leaves in Redis goes by itself after a week.
_EXPIRY_S = 7 * 24 * 3600


def chunk_member(number: int) -> str:
    """The name under which a chunk is pending."""
    return f"chunk:{number}"


@dataclass(frozen=True)
class Progress:
    """How far a work is, in frames; `estimated` is what sampling expects in all, or None."""

    sampled: int
    embedded: int
    estimated: int | None


class Gate:
    """The pending and waiting sets and the progress of one work."""

    def __init__(self, connection: Redis, work: Work) -> None:
        self._connection = connection
        self._pending = f"clipwarden:pending:{work.id}"
        self._waiting = f"clipwarden:waiting:{work.id}"
        self._progress = f"clipwarden:progress:{work.id}"

    @reaching_queue()
    def join(self, submission_id: str) -> None:
        """Let a submission wait for this work."""
        with self._connection.pipeline() as pipeline:
            pipeline.sadd(self._waiting, submission_id)
            pipeline.expire(self._waiting, _EXPIRY_S)
            pipeline.execute()

    @reaching_queue()
    def leave(self, submission_id: str) -> None:
        """Let a submission wait no longer: it is finished, failed or cancelled."""
        self._connection.srem(self._waiting, submission_id)

    @reaching_queue()
    def waiting(self) -> tuple[str, ...]:
        """The submissions that wait, in order of their ids."""
        members = self._connection.smembers(self._waiting)
        return tuple(sorted(as_text(member) for member in members))

    @reaching_queue()
    def open(self, members: Iterable[str]) -> None:
        """Add pending members; do it before queueing the jobs that will remove them."""
        with self._connection.pipeline() as pipeline:
            pipeline.sadd(self._pending, *members)
            pipeline.expire(self._pending, _EXPIRY_S)
            pipeline.execute()

    @reaching_queue()
    def close(self, members: Iterable[str]) -> bool:
        """Remove members and say, in the same step, whether none is left.

        Closing a member twice is harmless: a repeated job gets the same answer again.
        """
        with self._connection.pipeline(transaction=True) as pipeline:
            pipeline.srem(self._pending, *members)
            pipeline.scard(self._pending)
            left = pipeline.execute()[1]
        return int(left) == 0

    @reaching_queue()
    def start_progress(self, estimated: int | None) -> None:
        """Begin counting from zero, of `estimated` frames where that is known."""
        total = -1 if estimated is None else estimated
        counters = {"sampled": 0, "embedded": 0, "estimated": total}
        with self._connection.pipeline() as pipeline:
            for name, value in counters.items():
                pipeline.hset(self._progress, name, value)
            pipeline.expire(self._progress, _EXPIRY_S)
            pipeline.execute()

    @reaching_queue()
    def count(self, *, sampled: int = 0, embedded: int = 0) -> None:
        """Add frames to the progress."""
        with self._connection.pipeline() as pipeline:
            if sampled:
                pipeline.hincrby(self._progress, "sampled", sampled)
            if embedded:
                pipeline.hincrby(self._progress, "embedded", embedded)
            pipeline.execute()

    @reaching_queue()
    def progress(self) -> Progress:
        """Read the progress; all zero before sampling began."""
        fields = self._connection.hgetall(self._progress)
        counters = {as_text(key): int(value) for key, value in fields.items()}
        estimated = counters.get("estimated", -1)
        return Progress(
            sampled=counters.get("sampled", 0),
            embedded=counters.get("embedded", 0),
            estimated=None if estimated < 0 else estimated,
        )
