"""How many bytes of pixels wait to be embedded: what sampling may run ahead is bounded by them."""

from __future__ import annotations

from redis import Redis
from rq.utils import as_text

from ingest.queue.enqueueing import jobs_alive
from ingest.queue.names import Priority
from ingest.queue.reaching import reaching_queue

_KEY = "clipwarden:backlog:{}"


class Backlog:
    """The queued pixels of all works, by priority and job: `model key:bytes`."""

    def __init__(self, connection: Redis) -> None:
        self._connection = connection

    @reaching_queue()
    def add(self, model_key: str, priority: Priority, job_id: str, size_bytes: int) -> None:
        """Note that a job's pixels are stored; noting it twice is harmless."""
        self._connection.hset(_KEY.format(priority), job_id, f"{model_key}:{size_bytes}")

    @reaching_queue()
    def remove(self, job_id: str) -> None:
        """Note that they are gone."""
        with self._connection.pipeline(transaction=False) as pipeline:
            for priority in Priority:
                pipeline.hdel(_KEY.format(priority), job_id)
            pipeline.execute()

    @reaching_queue()
    def bytes_ahead_of(self, model_key: str, priority: Priority) -> int:
        """What waits for a model at this priority or a higher one.

        What waits at a lower one is no reason to hold an urgent video back, and what waits for a
        model that nobody serves holds back nobody else's.
        """
        keys = [_KEY.format(one) for one in list(Priority)[: list(Priority).index(priority) + 1]]
        with self._connection.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.hvals(key)
            entries = [as_text(entry).split(":") for found in pipeline.execute() for entry in found]
        return sum(int(size) for model, size in entries if model == model_key)

    @reaching_queue()
    def forget_lost(self) -> None:
        """Remove entries whose job is gone: else they would hold sampling back for ever."""
        for priority in Priority:
            key = _KEY.format(priority)
            job_ids = [as_text(job_id) for job_id in self._connection.hkeys(key)]
            lost = set(job_ids) - jobs_alive(self._connection, job_ids) if job_ids else set()
            if lost:
                self._connection.hdel(key, *lost)
