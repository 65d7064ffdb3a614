"""The backlog: what waits to be embedded holds sampling back, but nothing more urgent."""

from __future__ import annotations

from ingest.queue.backlog import Backlog
from ingest.queue.connection import open_queue
from ingest.queue.leases import Outcome, settle, take
from ingest.queue.names import Priority
from ingest.stores import Stores

MODEL = "0" * 16


def test_what_is_less_urgent_holds_nobody_back(stores: Stores) -> None:
    backlog = Backlog(stores.redis)
    for priority, size_bytes in zip(Priority, (1, 20, 300), strict=True):
        backlog.add(MODEL, priority, f"of-{priority}", size_bytes)
    assert [backlog.bytes_ahead_of(MODEL, one) for one in Priority] == [1, 21, 321]


def test_what_is_noted_twice_counts_once_and_what_is_removed_not_at_all(stores: Stores) -> None:
    backlog = Backlog(stores.redis)
    for _ in range(2):
        backlog.add(MODEL, Priority.NORMAL, "one", 7)
    backlog.add(MODEL, Priority.LOW, "two", 8)
    assert backlog.bytes_ahead_of(MODEL, Priority.LOW) == 15
    for _ in range(2):
        backlog.remove("two")
    assert backlog.bytes_ahead_of(MODEL, Priority.LOW) == 7


def test_only_what_has_no_job_any_more_is_forgotten(stores: Stores) -> None:
    backlog, redis = Backlog(stores.redis), stores.redis
    for number, name in enumerate(("started", "delayed", "dead", "queued")):
        open_queue("jobs", redis).enqueue("kind", {}, job_id=name)
        backlog.add(MODEL, Priority.HIGH, name, 10**number)
    backlog.add(MODEL, Priority.HIGH, "gone", 50_000)
    leases = [take(redis, ["jobs"], "me") for _ in range(3)]
    for lease, outcome in zip(leases[1:], (Outcome.LATER, Outcome.DEAD), strict=True):
        assert lease is not None
        settle(redis, lease, outcome, delay_s=60)
    backlog.forget_lost()
    assert backlog.bytes_ahead_of(MODEL, Priority.HIGH) == 1 + 10 + 1000


def test_an_empty_backlog_has_nothing_to_forget(stores: Stores) -> None:
    backlog = Backlog(stores.redis)
    backlog.forget_lost()
    assert backlog.bytes_ahead_of(MODEL, Priority.LOW) == 0


def test_what_waits_for_another_model_holds_nobody_back(stores: Stores) -> None:
    backlog = Backlog(stores.redis)
    backlog.add("f" * 16, Priority.HIGH, "theirs", 10**9)
    assert backlog.bytes_ahead_of(MODEL, Priority.LOW) == 0
