"""The reaper: dead workers' jobs come back once each, and nobody alive loses his."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

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
from ingest.queue.leases import LEASE_S, Count, Lease, counted, is_held, lapsed_leases, take
from ingest.queue.reaper import Reaper
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
    last = take(redis, ["jobs"], "dead")
    assert last is not None
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
