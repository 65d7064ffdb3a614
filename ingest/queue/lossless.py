"""RQ's queue, taken from without a moment in which a job is in no list."""

from __future__ import annotations

from collections.abc import Iterable

from redis import Redis
from rq import Queue
from rq.job import Job
from rq.serializers import Serializer
from rq.timeouts import BaseDeathPenalty


class LosslessQueue(Queue):
    """A queue class that tries several queues in order, always by RQ's lossless move.

    For several queues RQ itself uses a blocking pop, which has a moment in which a job is in
    no list; for one queue it moves the job through an intermediate list.
    """

    @classmethod
    def dequeue_any(
        cls,
        queues: Iterable[Queue],
        timeout: int | None,
        connection: Redis,
        job_class: type[Job] | None = None,
        serializer: Serializer | str | None = None,
        death_penalty_class: type[BaseDeathPenalty] | None = None,
    ) -> tuple[Job, Queue] | None:
        """Take from the first queue that holds a job, else block on the first of all."""
        ordered = list(queues)
        options = (connection, job_class, serializer, death_penalty_class)
        for queue in ordered:
            taken = super().dequeue_any([queue], None, *options)
            if taken is not None:
                return taken
        if timeout is None:
            return None
        return super().dequeue_any(ordered[:1], timeout, *options)
