"""The reaper: dead workers' jobs come back once each, and nobody alive loses his."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from rq.utils import as_text

from ingest.errors import DatabaseLocked, QueueError, QueueUnavailable
from ingest.queue.attempts import LAPSE_BUDGET, Handler
from ingest.queue.claims import Claim
from ingest.queue.connection import connect, open_queue
from ingest.queue.enqueueing import job_has_failed
from ingest.queue.leases import LEASE_S, Count, Lease, begin, counted, is_held, take
from ingest.queue.reaper import Reaper
from ingest.queue.upkeep import known_queues, lapsed_leases
from ingest.stores import Stores
from prompts.errors import ClipwardenError
from tests.ingest.queue_bench import MortalServer, leases_of


@pytest.fixture
def redis(stores: Stores) -> Redis:
    return stores.redis


class GivenUp:
    """Notes what is given up; refuses as often as it is told to."""

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.noted: list[tuple[object, str]] = []

    @property
    def handlers(self) -> dict[str, Handler]:
        def never(args: object, claim: Claim) -> None:
            raise AssertionError(f"nothing runs here: {args} {claim}")

        return {"kind": Handler(never, self.give_up)}

    def give_up(self, args: object, error: ClipwardenError) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.noted.append((args, error.code))


def lapsed(redis: Redis, *names: str) -> list[Lease]:
    """Leases of jobs whose worker died some time ago."""
    leases = []
    for name in names:
        open_queue("jobs", redis).enqueue("kind", {"of": name}, job_id=name)
        lease = take(redis, ["jobs"], "dead")
        assert lease is not None
        begin(redis, lease)
        redis.zadd("rq:wip:jobs", {lease.member: time.time() - 1})
        leases.append(lease)
    return leases


def waiting(redis: Redis) -> list[str]:
    return [as_text(name) for name in redis.lrange("rq:queue:jobs", 0, -1)]


def test_a_lapsed_job_comes_back_at_the_front_counted_as_a_lapse(redis: Redis) -> None:
    lapsed(redis, "one")
    open_queue("jobs", redis).enqueue("kind", {}, job_id="two")
    Reaper(redis, {}).reap()
    assert waiting(redis) == ["one", "two"]
    assert counted(redis, "one") == (0, 1)
    assert leases_of(redis, "jobs") == []


def test_a_job_that_was_only_loaded_ahead_is_not_counted_for_its_workers_death(
    redis: Redis,
) -> None:
    [lease] = lapsed(redis, "one")
    redis.hset("rq:job:one", "clipwarden_begun", "an earlier lease")
    Reaper(redis, {}).reap()
    assert waiting(redis) == [lease.job_id]
    assert counted(redis, "one") == (0, 0)


def test_from_the_third_lapse_on_a_job_waits_longer_and_longer(redis: Redis) -> None:
    reaper, delays_s = Reaper(redis, {}), []
    for lapses in range(LAPSE_BUDGET):
        redis.flushall()
        lapsed(redis, "one")
        redis.hset("rq:job:one", Count.LAPSE.value, lapses)
        reaper.reap()
        due_s = redis.zscore("rq:scheduled:jobs", "one")
        delays_s.append(0.0 if due_s is None else due_s - redis.time()[0])
        assert counted(redis, "one") == (0, lapses + 1)
    assert delays_s[:2] == [0.0, 0.0]
    assert delays_s[2:5] == pytest.approx([5, 10, 20], abs=2)
    assert delays_s[-1] == pytest.approx(300, abs=2)


class DistantRedis(Redis):
    """A queue server far away: every round trip takes a while."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        time.sleep(0.1)
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py


def test_many_queues_on_a_distant_server_are_no_outage(redis: Redis) -> None:
    lapsed(redis, "one")
    for number in range(12):
        open_queue(f"queue-{number}", redis).enqueue("kind", {})
    distant = DistantRedis(connection_pool=redis.connection_pool)
    Reaper(distant, {}).reap()
    assert waiting(redis) == ["one"]


def test_keys_that_are_not_ours_keep_no_other_job_from_coming_back(redis: Redis) -> None:
    lapsed(redis, "broken", "counted", "one")
    redis.set("rq:job:broken", "no hash")
    redis.hset("rq:job:counted", Count.LAPSE.value, "many")
    open_queue("another", redis).enqueue("kind", {})
    redis.set("rq:wip:another", "no set")
    redis.set("rq:scheduled:another", "no set")
    reaper = Reaper(redis, {})
    reaper.reap()
    reaper.release_due()
    assert sorted(waiting(redis)) == ["counted", "one"]
    assert counted(redis, "counted") == (0, 1)


def test_queues_that_hold_nothing_are_forgotten_until_they_do(redis: Redis) -> None:
    lapsed(redis, "started")
    open_queue("full", redis).enqueue("kind", {})
    for state in ("scheduled", "failed"):
        open_queue(state, redis).enqueue("kind", {})
        redis.delete(f"rq:queue:{state}")
        redis.zadd(f"rq:{state}:{state}", {"one": time.time() + 60})
    open_queue("empty", redis).enqueue("kind", {}, job_id="gone")
    assert take(redis, ["empty"], "me") is not None
    redis.delete("rq:wip:empty")
    reaper = Reaper(redis, {})
    reaper.forget_empty_queues()
    assert known_queues(redis) == ["failed", "full", "jobs", "scheduled"]
    # As if it had been forgotten between RQ's two steps of queueing.
    redis.srem("rq:queues", "rq:queue:full")
    assert take(redis, ["full"], "me") is not None
    assert "full" in known_queues(redis)


def test_a_lease_that_is_kept_is_left_alone(redis: Redis) -> None:
    open_queue("jobs", redis).enqueue("kind", {}, job_id="one")
    lease = take(redis, ["jobs"], "alive")
    assert lease is not None
    Reaper(redis, {}).reap()
    assert is_held(redis, lease)


def test_of_two_reapers_at_once_one_ends_each_lease(redis: Redis, queue_server: str) -> None:
    names = [f"job-{number}" for number in range(50)]
    lapsed(redis, *names)
    together = threading.Barrier(2)

    def reap() -> None:
        with connect(queue_server) as connection:
            reaper = Reaper(connection, {})
            together.wait()
            reaper.reap()

    threads = [threading.Thread(target=reap) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waiting(redis)) == sorted(names)
    assert {counted(redis, name) for name in names} == {(0, 1)}


def test_a_dashboard_that_looks_on_changes_nothing(redis: Redis) -> None:
    [lease] = lapsed(redis, "one")
    before = {key: redis.dump(key) for key in redis.scan_iter("*")}
    assert leases_of(redis, "jobs") == [lease]
    assert lapsed_leases(redis, "jobs") == [lease]
    queue = Queue("jobs", connection=redis, serializer=JSONSerializer)
    assert queue.started_job_registry.get_job_ids(cleanup=False) == ["one"]
    assert {key: redis.dump(key) for key in redis.scan_iter("*")} == before


def test_a_job_whose_workers_die_again_and_again_is_given_up(redis: Redis) -> None:
    lapsed(redis, "one")
    redis.hset("rq:job:one", Count.LAPSE.value, LAPSE_BUDGET - 1)
    given_up = GivenUp()
    reaper = Reaper(redis, given_up.handlers)
    reaper.reap()
    assert given_up.noted == []
    redis.zadd("rq:scheduled:jobs", {"one": 0})
    reaper.release_due()
    last = take(redis, ["jobs"], "dead")
    assert last is not None
    begin(redis, last)
    redis.zadd("rq:wip:jobs", {last.member: time.time() - 1})
    reaper.reap()
    assert given_up.noted == [({"of": "one"}, "queue.job_lapsed")]
    assert job_has_failed(redis, "one")
    assert counted(redis, "one") == (0, LAPSE_BUDGET + 1)


@pytest.mark.parametrize(
    "refusal", [DatabaseLocked("somebody holds it.", "Wait."), RuntimeError("a defect")]
)
def test_giving_up_is_repeated_until_recorded_and_holds_nobody_up(
    redis: Redis, refusal: Exception
) -> None:
    [doomed, other] = lapsed(redis, "doomed", "other")
    redis.hset("rq:job:doomed", Count.LAPSE.value, LAPSE_BUDGET)
    redis.zadd("rq:wip:jobs", {doomed.member: 1, other.member: 2})
    given_up = GivenUp(refusal, refusal)
    reaper = Reaper(redis, given_up.handlers)
    reaper.reap()
    assert waiting(redis) == ["other"]
    reaper.reap()
    assert is_held(redis, doomed)
    reaper.reap()
    assert given_up.noted == [({"of": "doomed"}, "queue.job_lapsed")]
    assert job_has_failed(redis, "doomed")


@pytest.mark.parametrize(("field", "damage"), [("data", b"\x80"), ("created_at", b"yesterday")])
def test_a_lapsed_job_that_cannot_be_read_ends_too(redis: Redis, field: str, damage: bytes) -> None:
    lapsed(redis, "one")
    redis.hset("rq:job:one", field, damage)
    redis.hset("rq:job:one", Count.LAPSE.value, LAPSE_BUDGET)
    Reaper(redis, GivenUp().handlers).reap()
    assert job_has_failed(redis, "one")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MortalServer]:
    server = MortalServer(tmp_path / "mortal")
    try:
        server.start()
        yield server
    finally:
        server.remove()


def test_after_an_outage_everybody_has_the_time_to_renew(server: MortalServer) -> None:
    with connect(server.url) as redis:
        reaper = Reaper(redis, {})
        lapsed(redis, "one")
        server.kill()
        with pytest.raises(QueueUnavailable):
            reaper.reap()
        server.start()
        reaper.reap()
        assert waiting(redis) == []
        reaper._in_touch_since_s -= LEASE_S
        reaper.reap()
        assert waiting(redis) == ["one"]


def test_after_a_time_in_which_nothing_could_be_written_too(redis: Redis) -> None:
    lapsed(redis, "one")
    reaper = Reaper(redis, {})
    redis.config_set("min-replicas-to-write", "1")
    try:
        with pytest.raises(QueueError):
            reaper.reap()
    finally:
        redis.config_set("min-replicas-to-write", "0")
    reaper.reap()
    assert waiting(redis) == []
    reaper._in_touch_since_s -= LEASE_S
    reaper.reap()
    assert waiting(redis) == ["one"]


def test_retries_that_are_due_are_released_on_every_queue(redis: Redis) -> None:
    for queue in ("jobs", "others"):
        open_queue(queue, redis).enqueue("kind", {}, job_id=f"of-{queue}")
        redis.delete(f"rq:queue:{queue}")
        redis.zadd(f"rq:scheduled:{queue}", {f"of-{queue}": time.time() - 1})
    Reaper(redis, {}).release_due()
    assert waiting(redis) == ["of-jobs"]
    assert redis.lrange("rq:queue:others", 0, -1) == [b"of-others"]
