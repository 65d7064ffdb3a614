"""Upkeep of all queues: leases that lapsed, retries that are due, queues that are empty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq.utils import as_text

from ingest.errors import QueueFailed
from ingest.queue.leases import FAILED, KNOWN_QUEUES, NOW, QUEUE, SCHEDULED, STARTED, Lease
from ingest.queue.reaching import reaching_queue

_log = structlog.get_logger("clipwarden.queue")

_LAPSED = f"""{NOW}
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now)
"""

_RELEASE_DUE = f"""{NOW}
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
for _, id in ipairs(due) do
  redis.call('ZREM', KEYS[1], id)
  if redis.call('TYPE', 'rq:job:' .. id).ok == 'hash' then
    redis.call('HSET', 'rq:job:' .. id, 'status', 'queued')
    redis.call('RPUSH', KEYS[2], id)
  end
end
return #due
"""

# In one step: whoever queues, takes or puts back a job meanwhile finds the queue known, or makes
# it known.
_FORGET_EMPTY = f"""{NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
if redis.call('EXISTS', unpack(KEYS)) > 0 then return 0 end
return redis.call('SREM', '{KNOWN_QUEUES}', KEYS[1])
"""


@reaching_queue()
def known_queues(connection: Redis) -> list[str]:
    """Every queue that holds a job, or held one of late, in order of their names."""
    names = connection.smembers(KNOWN_QUEUES)
    return sorted(as_text(name).removeprefix("rq:queue:") for name in names)


def lapsed_leases(connection: Redis, *queues: str) -> list[Lease]:
    """The leases of these queues that were not renewed in time, in one round trip."""
    return [
        Lease.parse(queue, as_text(member))
        for queue, members in _on_each(connection, queues, _LAPSED, STARTED)
        for member in members
    ]


def release_due(connection: Redis, *queues: str) -> int:
    """Put the jobs whose delay is over back on their queues; returns how many."""
    return sum(
        int(found) for _, found in _on_each(connection, queues, _RELEASE_DUE, SCHEDULED, QUEUE)
    )


def forget_empty(connection: Redis, *queues: str) -> list[str]:
    """Forget those of these queues that hold no job in any state; the next job makes them known."""
    return [
        queue
        for queue, n in _on_each(
            connection, queues, _FORGET_EMPTY, QUEUE, STARTED, SCHEDULED, FAILED
        )
        if int(n)
    ]


def _on_each(
    connection: Redis, queues: Sequence[str], script: str, *forms: str
) -> Iterator[tuple[str, Any]]:
    """Run a script for each queue on its keys of those forms, all in one round trip.

    A queue whose keys hold what is not ours is passed over: the others go on.
    """
    with reaching_queue(), connection.pipeline(transaction=False) as pipeline:
        for queue in queues:
            pipeline.eval(script, len(forms), *(form.format(queue) for form in forms))
        answers = pipeline.execute(raise_on_error=False)
    for queue, answer in zip(queues, answers, strict=True):
        try:
            with reaching_queue():
                if isinstance(answer, RedisError):
                    raise answer
        except QueueFailed as error:
            _log.error("queue passed over", queue=queue, code=error.code, reason=error.message)
        else:
            yield queue, answer
