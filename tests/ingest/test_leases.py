"""Taking a job, keeping it, and letting go of it: each a step that nothing can halve."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq.job import JobStatus
from rq.registry import StartedJobRegistry
from rq.utils import as_text

from ingest.errors import Passing, QueueFailed, QueueFull, QueueUnavailable
from ingest.queue.connection import connect, open_queue
from ingest.queue.enqueueing import enqueue_once, job_has_failed
from ingest.queue.leases import (
    Count,
    Lease,
    Outcome,
    begin,
    counted,
    is_held,
    renew,
    settle,
    take,
    was_begun,
    withdraw,
)
from ingest.queue.payloads import TextJob
from ingest.queue.upkeep import lapsed_leases, release_due
from ingest.stores import Stores
from tests.ingest.queue_bench import leases_of

TAKER = """
import sys
from ingest.queue.connection import connect
from ingest.queue.leases import take
redis = connect(sys.argv[1])
while take(redis, ["first", "second"], "taker"):
    print(flush=True)
"""


@pytest.fixture
def redis(stores: Stores) -> Redis:
    return stores.redis


def enqueue(redis: Redis, queue: str, *names: str) -> None:
    for name in names:
        open_queue(queue, redis).enqueue("kind", {}, job_id=name)


def waiting(redis: Redis, queue: str) -> list[str]:
    return [as_text(name) for name in redis.lrange(f"rq:queue:{queue}", 0, -1)]


def status_of(redis: Redis, name: str) -> str | None:
    status = redis.hget(f"rq:job:{name}", "status")
    return None if status is None else as_text(status)


def taken(redis: Redis, *queues: str) -> Lease:
    lease = take(redis, queues, "me")
    assert lease is not None
    return lease


def lapse(redis: Redis, lease: Lease) -> None:
    """Have a lease end in the past, as if nobody had renewed it."""
    redis.zadd(f"rq:wip:{lease.queue}", {lease.member: time.time() - 1})


def everything(redis: Redis) -> dict[str, bytes | None]:
    return {as_text(key): redis.dump(key) for key in redis.scan_iter("*")}


def test_queues_are_emptied_in_their_order_and_each_in_its_own(redis: Redis) -> None:
    enqueue(redis, "later", "c")
    enqueue(redis, "first", "a", "b")
    order = [taken(redis, "first", "later") for _ in range(3)]
    assert [(lease.queue, lease.job_id) for lease in order] == [
        ("first", "a"),
        ("first", "b"),
        ("later", "c"),
    ]
    assert take(redis, ["first", "later"], "me") is None


def test_a_taken_job_is_leased_and_says_to_whom(redis: Redis) -> None:
    enqueue(redis, "jobs", "one")
    lease = taken(redis, "jobs")
    assert leases_of(redis, "jobs") == [lease]
    assert is_held(redis, lease)
    assert status_of(redis, "one") == JobStatus.STARTED
    assert redis.hget("rq:job:one", "worker_name") == b"me"
    assert lapsed_leases(redis, "jobs") == []


def test_a_lease_stands_where_rq_looks_for_executions(redis: Redis) -> None:
    enqueue(redis, "jobs", "one")
    lease = taken(redis, "jobs")
    registry = StartedJobRegistry("jobs", connection=redis)
    assert registry.get_job_and_execution_ids(cleanup=False) == [("one", lease.id)]


def test_ids_of_deleted_jobs_are_passed_over(redis: Redis) -> None:
    enqueue(redis, "jobs", "gone", "too", "here")
    redis.delete("rq:job:gone", "rq:job:too")
    assert taken(redis, "jobs").job_id == "here"
    assert len(leases_of(redis, "jobs")) == 1


def test_takers_killed_at_any_moment_lose_no_job(redis: Redis, queue_server: str) -> None:
    names = {f"{queue}-{number}" for queue in ("first", "second") for number in range(10_000)}
    with redis.pipeline(transaction=False) as pipeline:
        for name in sorted(names):
            pipeline.hset(f"rq:job:{name}", "status", "queued")
            pipeline.rpush(f"rq:queue:{name.partition('-')[0]}", name)
        pipeline.execute()
    takers = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", TAKER, queue_server], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    told = 0
    for taker in takers:
        assert taker.stdout is not None
        taker.stdout.readline()
        time.sleep(random.uniform(0, 0.02))
        taker.send_signal(signal.SIGKILL)
        told += 1 + len(taker.communicate()[0].splitlines())
        assert taker.returncode == -signal.SIGKILL, "it emptied the queues: enqueue more"
    queued = [name for queue in ("first", "second") for name in waiting(redis, queue)]
    leased = [one.job_id for queue in ("first", "second") for one in leases_of(redis, queue)]
    assert sorted(queued + leased) == sorted(names)
    # Each may have been killed between taking a job and telling of it.
    assert told <= len(leased) <= told + len(takers)


def test_a_renewed_lease_ends_later(redis: Redis) -> None:
    enqueue(redis, "jobs", "one")
    lease = taken(redis, "jobs")
    lapse(redis, lease)
    assert lapsed_leases(redis, "jobs") == [lease]
    assert renew(redis, lease)
    assert lapsed_leases(redis, "jobs") == []


def test_a_lease_that_was_taken_away_is_neither_renewed_nor_settled(redis: Redis) -> None:
    enqueue(redis, "jobs", "one")
    old = taken(redis, "jobs")
    assert settle(redis, old, Outcome.AGAIN, count=Count.LAPSE)
    new = taken(redis, "jobs")
    before = everything(redis)
    assert not is_held(redis, old)
    assert not renew(redis, old)
    for outcome in Outcome:
        assert not settle(redis, old, outcome, count=Count.FAILURE)
    assert everything(redis) == before
    assert is_held(redis, new)


def test_a_done_job_leaves_nothing(redis: Redis) -> None:
    enqueue(redis, "jobs", "one")
    assert settle(redis, taken(redis, "jobs"), Outcome.DONE)
    assert set(everything(redis)) == {"rq:queues"}


def test_a_job_that_is_handed_back_comes_first(redis: Redis) -> None:
    enqueue(redis, "jobs", "one", "two")
    assert settle(redis, taken(redis, "jobs"), Outcome.AGAIN)
    assert waiting(redis, "jobs") == ["one", "two"]
    assert status_of(redis, "one") == JobStatus.QUEUED
    assert counted(redis, "one") == (0, 0)


def test_a_retry_waits_for_its_delay_and_comes_last(redis: Redis) -> None:
    enqueue(redis, "jobs", "one", "two")
    lease = taken(redis, "jobs")
    assert settle(redis, lease, Outcome.LATER, count=Count.FAILURE, delay_s=60)
    assert status_of(redis, "one") == JobStatus.SCHEDULED
    assert counted(redis, "one") == (1, 0)
    assert release_due(redis, "jobs") == 0
    redis.zadd("rq:scheduled:jobs", {"one": time.time() - 1, "gone": time.time() - 1})
    assert release_due(redis, "jobs") == 2
    assert waiting(redis, "jobs") == ["two", "one"]
    assert status_of(redis, "one") == JobStatus.QUEUED
    assert release_due(redis, "jobs") == 0


def test_a_dead_job_stays_visible_for_days_and_earlier_ones_are_forgotten(redis: Redis) -> None:
    redis.zadd("rq:failed:jobs", {"of last month": time.time() - 1})
    enqueue(redis, "jobs", "one")
    assert settle(redis, taken(redis, "jobs"), Outcome.DEAD, count=Count.FAILURE)
    assert job_has_failed(redis, "one")
    assert redis.zrange("rq:failed:jobs", 0, -1) == [b"one"]
    assert redis.ttl("rq:job:one") > 24 * 3600


def test_a_job_deleted_under_its_worker_is_not_made_anew_by_its_end(redis: Redis) -> None:
    for outcome in Outcome:
        enqueue(redis, "jobs", "one")
        lease = taken(redis, "jobs")
        redis.delete("rq:job:one")
        assert settle(redis, lease, outcome, count=Count.FAILURE)
        assert set(everything(redis)) == {"rq:queues"}


@pytest.mark.parametrize("outcome", [None, Outcome.LATER, Outcome.DEAD])
def test_a_job_that_nobody_works_on_is_withdrawn(redis: Redis, outcome: Outcome | None) -> None:
    enqueue(redis, "jobs", "one")
    if outcome is not None:
        settle(redis, taken(redis, "jobs"), outcome, delay_s=60)
    assert withdraw(redis, "one")
    assert set(everything(redis)) == {"rq:queues"}
    assert withdraw(redis, "one")


def test_a_job_that_is_worked_on_is_not_withdrawn(redis: Redis) -> None:
    enqueue(redis, "jobs", "one")
    lease = taken(redis, "jobs")
    before = everything(redis)
    assert not withdraw(redis, "one")
    assert everything(redis) == before
    assert settle(redis, lease, Outcome.DONE)


def test_one_of_many_who_settle_at_once_does(redis: Redis, queue_server: str) -> None:
    enqueue(redis, "jobs", "one")
    lease = taken(redis, "jobs")
    answers: list[bool] = []
    together = threading.Barrier(8)

    def end() -> None:
        with connect(queue_server) as connection:
            together.wait()
            answers.append(settle(connection, lease, Outcome.AGAIN, count=Count.LAPSE))

    threads = [threading.Thread(target=end) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * 7 + [True]
    assert waiting(redis, "jobs") == ["one"]
    assert counted(redis, "one") == (0, 1)


def test_a_full_server_takes_no_new_job_but_lets_go_of_none(redis: Redis) -> None:
    payload = TextJob(tenant="default", model_key="0" * 16, prompt_set_sha256="0" * 64)
    steps: list[Callable[[Lease], bool]] = [
        lambda lease: settle(redis, lease, Outcome.DONE),
        lambda lease: settle(redis, lease, Outcome.AGAIN, count=Count.LAPSE),
        lambda lease: settle(redis, lease, Outcome.LATER, count=Count.FAILURE, delay_s=60),
        lambda lease: settle(redis, lease, Outcome.DEAD, count=Count.FAILURE),
        lambda lease: renew(redis, lease),
    ]
    enqueue(redis, "jobs", *(f"job-{number}" for number in range(len(steps))))
    before = redis.config_get("maxmemory")["maxmemory"] or "0"
    redis.config_set("maxmemory", "1kb")
    try:
        with pytest.raises(QueueFull, match="takes no more"):
            enqueue_once(redis, "jobs", "kind", payload, job_id="new", timeout_s=9)
        for number, step in enumerate(steps):
            lease = taken(redis, "jobs")
            assert lease.job_id == f"job-{number}"
            assert step(lease)
            if number == 1:
                # It is back at the front.
                settle(redis, taken(redis, "jobs"), Outcome.DONE)
    finally:
        redis.config_set("maxmemory", before)
    assert waiting(redis, "jobs") == []
    enqueue_once(redis, "jobs", "kind", payload, job_id="new", timeout_s=9)
    assert waiting(redis, "jobs") == ["new"]


def test_a_server_that_is_gone_is_an_outage(redis: Redis) -> None:
    never_again = Retry(NoBackoff(), 0)
    with (
        Redis(unix_socket_path="/no.sock", retry=never_again) as nowhere,
        pytest.raises(QueueUnavailable),
    ):
        take(nowhere, ["jobs"], "me")


def test_a_key_that_holds_something_else_is_no_outage(redis: Redis) -> None:
    redis.set("rq:wip:jobs", "no set")
    with pytest.raises(QueueFailed, match="WRONGTYPE") as caught:
        is_held(redis, Lease("jobs", "one", "0" * 32))
    assert not isinstance(caught.value, Passing)
    redis.delete("rq:wip:jobs")
    redis.set("rq:queue:jobs", "no list")
    with pytest.raises(QueueFailed, match="WRONGTYPE"):
        take(redis, ["jobs"], "me")


def test_what_the_server_says_of_itself_is_an_outage(redis: Redis) -> None:
    redis.config_set("min-replicas-to-write", "1")
    try:
        with pytest.raises(QueueUnavailable):
            renew(redis, Lease("jobs", "one", "0" * 32))
        with pytest.raises(QueueUnavailable):
            take(redis, ["jobs"], "me")
    finally:
        redis.config_set("min-replicas-to-write", "0")


def test_an_id_whose_key_holds_no_job_is_passed_over(redis: Redis) -> None:
    enqueue(redis, "jobs", "broken", "one")
    redis.set("rq:job:broken", "no hash")
    assert taken(redis, "jobs").job_id == "one"


def test_a_count_that_is_no_number_loses_no_job(redis: Redis) -> None:
    enqueue(redis, "jobs", "one")
    redis.hset("rq:job:one", Count.FAILURE.value, "many")
    assert counted(redis, "one") == (0, 0)
    assert settle(redis, taken(redis, "jobs"), Outcome.AGAIN, count=Count.FAILURE)
    assert counted(redis, "one") == (1, 0)
    assert waiting(redis, "jobs") == ["one"]


def test_a_job_is_begun_under_one_lease_only(redis: Redis) -> None:
    enqueue(redis, "jobs", "one")
    first = taken(redis, "jobs")
    assert not was_begun(redis, first)
    assert begin(redis, first) == (0, 0)
    assert was_begun(redis, first)
    settle(redis, first, Outcome.AGAIN, count=Count.LAPSE)
    second = taken(redis, "jobs")
    assert not was_begun(redis, second)
    assert begin(redis, second) == (0, 1)
    redis.delete("rq:job:one")
    assert begin(redis, second) == (0, 0)
    assert status_of(redis, "one") is None
