"""Holding sampling back until the embedders have caught up."""

from __future__ import annotations

import time

from redis import Redis

from ingest.queue.backlog import Backlog
from ingest.queue.claims import Claim, Interrupted, Reason
from ingest.queue.enqueueing import jobs_waiting
from ingest.queue.gate import Gate
from ingest.queue.names import Priority, sample_queue
from ingest.queue.payloads import SampleJob
from ingest.queue.presence import models_served, read_presences

_POLL_S = 0.2

# A model that is loaded anew, by a process that was restarted, is away for less than this.
_AWAY_S = 60.0
_ASK_WHO_SERVES_S = 5.0

_TRY_AGAIN_S = 30.0


class Room:
    """The room for pixels that wait to be embedded, as a sampler of one host sees it.

    Decoding is faster than embedding, and pixels are a hundred times larger than vectors.
    """

    def __init__(self, redis: Redis, host: str, max_bytes: int) -> None:
        self._redis = redis
        self._host = host
        self._max_bytes = max_bytes
        self._backlog = Backlog(redis)

    def require_hope(self, job: SampleJob) -> None:
        """Postpone a video for which there is no room, and nobody who could make some."""
        if not self._is_there(job) and not self._is_served(job):
            raise Interrupted(Reason.POSTPONED, _TRY_AGAIN_S)

    def wait(self, gate: Gate, job: SampleJob, claim: Claim) -> bool:
        """Wait until there is room; says whether anybody still wants the video.

        Its time stands still meanwhile. It makes way for a more urgent video: to decode this one's
        beginning again costs less than the urgent one's wait, for the embedders are busy anyway.
        Where nobody serves its model any more, it makes way for all others.
        """
        if self._is_there(job):
            return gate.is_awaited()
        with claim.resting():
            return self._wait(gate, job)

    def _wait(self, gate: Gate, job: SampleJob) -> bool:
        served_s = asked_s = time.monotonic()
        while gate.is_awaited():
            if self._is_there(job):
                return True
            if jobs_waiting(self._redis, self._more_urgent(job.priority)):
                raise Interrupted(Reason.HANDED_BACK)
            now_s = time.monotonic()
            if now_s - asked_s > _ASK_WHO_SERVES_S:
                asked_s = now_s
                served_s = now_s if self._is_served(job) else served_s
            if now_s - served_s > _AWAY_S:
                raise Interrupted(Reason.POSTPONED, _TRY_AGAIN_S)
            time.sleep(_POLL_S)
        return False

    def _is_there(self, job: SampleJob) -> bool:
        waiting = self._backlog.bytes_ahead_of(job.work.model_key, job.priority)
        return waiting < self._max_bytes

    def _is_served(self, job: SampleJob) -> bool:
        return job.work.model_key in models_served(read_presences(self._redis))

    def _more_urgent(self, priority: Priority) -> list[str]:
        return [
            sample_queue(one, where)
            for one in Priority
            if one.goes_before(priority)
            for where in (self._host, None)
        ]
