"""Taking jobs, keeping them, and letting go of them, each in one step that can't be halved.

A job that is being worked on has a member `job id:lease id` in RQ's set of started jobs, scored
by the time at which the lease ends. All times are the queue server's: hosts' clocks may differ.
A step is a script, for RQ's own steps are several commands with moments between them in which a
killed process loses a job, or in which two processes believe that they own it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog
from redis import Redis
from rq.utils import as_text

from ingest.queue.reaching import reaching_queue

# A dead worker's job may be taken by another this long after its last heartbeat: the promise is
# "back within 15 s". Four beats fit in, so losing one does no harm.
LEASE_S = 12
BEAT_S = 3

# A job that was given up stays visible this long.
_DEAD_TTL_S = 7 * 24 * 3600

QUEUE = "rq:queue:{}"
STARTED = "rq:wip:{}"
SCHEDULED = "rq:scheduled:{}"
FAILED = "rq:failed:{}"
_JOB = "rq:job:{}"
KNOWN_QUEUES = "rq:queues"

# In a job: the lease under which it was begun. A job that was loaded ahead is leased before that.
_BEGUN = "clipwarden_begun"

_log = structlog.get_logger("clipwarden.queue")

# To the microsecond: whole seconds would let a lease last up to a second longer.
NOW = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
"""

# The first job of the first queue that has one; an id whose job is gone, or whose key holds
# something else, is passed over. A queue with a leased job is known: the reaper has to find it.
_TAKE = f"""{NOW}
for index = 1, #KEYS, 2 do
  local id = redis.call('LPOP', KEYS[index])
  while id do
    local job = 'rq:job:' .. id
    if redis.call('TYPE', job).ok == 'hash' then
      redis.call('ZADD', KEYS[index + 1], now + tonumber(ARGV[1]), id .. ':' .. ARGV[2])
      redis.call('SADD', '{KNOWN_QUEUES}', KEYS[index])
      redis.call('HSET', job, 'status', 'started', 'worker_name', ARGV[3])
      return {{(index + 1) / 2, id}}
    end
    id = redis.call('LPOP', KEYS[index])
  end
end
return false
"""

# Removed and put back: a server without memory for more lets a script add once it took away.
_RENEW = f"""{NOW}
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
return 1
"""

_BEGIN = f"""
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return {{}} end
redis.call('HSET', KEYS[1], '{_BEGUN}', ARGV[1])
return redis.call('HMGET', KEYS[1], ARGV[2], ARGV[3])
"""

# Whoever removes the member owns the job and decides what becomes of it. A count that is no number
# begins anew: to stop there would lose the job.
_SETTLE = f"""{NOW}
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
if redis.call('TYPE', KEYS[2]).ok ~= 'hash' then return 1 end
if ARGV[5] ~= '' then
  local answer = redis.pcall('HINCRBY', KEYS[2], ARGV[5], 1)
  if type(answer) == 'table' and answer.err then redis.call('HSET', KEYS[2], ARGV[5], 1) end
end
redis.call('HDEL', KEYS[2], 'worker_name', '{_BEGUN}')
if ARGV[3] == 'done' then
  redis.call('DEL', KEYS[2])
elseif ARGV[3] == 'again' then
  redis.call('HSET', KEYS[2], 'status', 'queued')
  redis.call('LPUSH', KEYS[3], ARGV[2])
elseif ARGV[3] == 'later' then
  redis.call('HSET', KEYS[2], 'status', 'scheduled')
  redis.call('ZADD', KEYS[4], now + tonumber(ARGV[4]), ARGV[2])
else
  redis.call('HSET', KEYS[2], 'status', 'failed')
  redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now)
  redis.call('ZADD', KEYS[5], now + tonumber(ARGV[4]), ARGV[2])
  redis.call('EXPIRE', KEYS[2], ARGV[4])
end
return 1
"""

# A job that nobody works on is taken out of wherever it waits.
_WITHDRAW = """
local status = redis.call('HGET', KEYS[1], 'status')
if status == 'started' then return 0 end
local origin = redis.call('HGET', KEYS[1], 'origin')
if origin then
  redis.call('LREM', 'rq:queue:' .. origin, 0, ARGV[1])
  redis.call('ZREM', 'rq:scheduled:' .. origin, ARGV[1])
  redis.call('ZREM', 'rq:failed:' .. origin, ARGV[1])
end
redis.call('DEL', KEYS[1])
return 1
"""


class Outcome(StrEnum):
    """What becomes of a job whose lease ends."""

    DONE = "done"
    AGAIN = "again"
    """Back to the front of its queue."""
    LATER = "later"
    """On its queue again after a delay."""
    DEAD = "dead"


class Count(StrEnum):
    """What a job's ended lease is counted as; kept with the job."""

    NOTHING = ""
    FAILURE = "clipwarden_failures"
    LAPSE = "clipwarden_lapses"


@dataclass(frozen=True)
class Lease:
    """The right to work on one job, until it lapses or is settled."""

    queue: str
    job_id: str
    id: str

    @property
    def member(self) -> str:
        """How the lease stands in the queue's set of started jobs, as RQ writes it."""
        return f"{self.job_id}:{self.id}"

    @classmethod
    def parse(cls, queue: str, member: str) -> Lease:
        """Turn a member back into a lease."""
        job_id, _, lease_id = member.rpartition(":")
        return cls(queue, job_id, lease_id)


@reaching_queue()
def take(connection: Redis, queues: Sequence[str], worker_name: str) -> Lease | None:
    """Lease the next job of the first queue that has one; None where all are empty."""
    lease_id = uuid.uuid4().hex
    keys = [form.format(name) for name in queues for form in (QUEUE, STARTED)]
    taken = connection.eval(_TAKE, len(keys), *keys, LEASE_S, lease_id, worker_name)
    if taken is None:
        return None
    position, job_id = taken
    return Lease(queues[int(position) - 1], as_text(job_id), lease_id)


@reaching_queue()
def renew(connection: Redis, lease: Lease) -> bool:
    """Put a lease's end off by LEASE_S; says False where it lapsed and was taken away."""
    key = STARTED.format(lease.queue)
    return bool(connection.eval(_RENEW, 1, key, lease.member, LEASE_S))


@reaching_queue()
def is_held(connection: Redis, lease: Lease) -> bool:
    """Say whether a lease is still there."""
    return connection.zscore(STARTED.format(lease.queue), lease.member) is not None


@reaching_queue()
def settle(
    connection: Redis,
    lease: Lease,
    outcome: Outcome,
    *,
    count: Count = Count.NOTHING,
    delay_s: float = 0,
) -> bool:
    """End a lease and put its job where it belongs; says False where it was not ours any more."""
    keys = (
        STARTED.format(lease.queue),
        _JOB.format(lease.job_id),
        QUEUE.format(lease.queue),
        SCHEDULED.format(lease.queue),
        FAILED.format(lease.queue),
    )
    seconds = _DEAD_TTL_S if outcome is Outcome.DEAD else delay_s
    arguments = (lease.member, lease.job_id, outcome.value, seconds, count.value)
    return bool(connection.eval(_SETTLE, len(keys), *keys, *arguments))


@reaching_queue()
def withdraw(connection: Redis, job_id: str) -> bool:
    """Delete a job that waits; says False for one that is being worked on."""
    return bool(connection.eval(_WITHDRAW, 1, _JOB.format(job_id), job_id))


@reaching_queue()
def begin(connection: Redis, lease: Lease) -> tuple[int, int]:
    """Note that work on a leased job begins; returns what `counted` does."""
    key, counts = _JOB.format(lease.job_id), (Count.FAILURE.value, Count.LAPSE.value)
    return _whole(connection.eval(_BEGIN, 1, key, lease.id, *counts) or (None, None))


@reaching_queue()
def was_begun(connection: Redis, lease: Lease) -> bool:
    """Say whether anybody began to work on a job under this lease."""
    begun = connection.hget(_JOB.format(lease.job_id), _BEGUN)
    return begun is not None and as_text(begun) == lease.id


@reaching_queue()
def counted(connection: Redis, job_id: str) -> tuple[int, int]:
    """How often a job failed, and how often its lease lapsed while it was worked on."""
    names = [Count.FAILURE.value, Count.LAPSE.value]
    return _whole(connection.hmget(_JOB.format(job_id), names))


def _whole(values: Sequence[bytes | str | None]) -> tuple[int, int]:
    """Two counts as numbers; 0 where there is none, or none that is one."""
    first, second = (int(value) if value and value.isdigit() else 0 for value in values)
    return first, second
