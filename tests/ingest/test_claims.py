"""What a job asks about itself: whether it is still ours, how long it took, whether to wait."""

from __future__ import annotations

import time

import pytest
from redis import Redis

from ingest.errors import BlobStoreFull, DatabaseLocked, MediaUnreadable
from ingest.queue import claims
from ingest.queue.claims import Claim, Interrupted, Reason, Stopwatch
from ingest.queue.connection import open_queue
from ingest.queue.leases import Count, Lease, Outcome, settle, take
from ingest.queue.meters import Meter, read_meters
from ingest.stores import Stores

LOCKED = DatabaseLocked("somebody holds it.", "Wait.")
FULL = BlobStoreFull("no room.", "Make some.")


def leased(redis: Redis) -> Lease:
    open_queue("jobs", redis).enqueue("kind", {}, job_id="one")
    lease = take(redis, ["jobs"], "me")
    assert lease is not None
    return lease


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_FIRST_WAIT_S", 0.01)


def test_a_claim_is_confirmed_until_another_takes_the_job(stores: Stores) -> None:
    lease = leased(stores.redis)
    claim = Claim(stores.redis, lease, Stopwatch())
    claim.confirm()
    settle(stores.redis, lease, Outcome.AGAIN, count=Count.LAPSE)
    take(stores.redis, ["jobs"], "another")
    with pytest.raises(Interrupted) as caught:
        claim.confirm()
    assert caught.value.reason is Reason.LOST


def test_no_job_s_handling_of_errors_swallows_an_interruption() -> None:
    assert not issubclass(Interrupted, Exception)


def test_a_step_is_repeated_until_every_shortage_is_over(stores: Stores) -> None:
    watch = Stopwatch()
    claim = Claim(stores.redis, leased(stores.redis), watch)
    shortages = [LOCKED, LOCKED, FULL]
    seen: list[str | None] = []

    def step() -> str:
        seen.append(watch.waits_for)
        if shortages:
            raise shortages.pop(0)
        return "done"

    assert claim.patiently(step) == "done"
    # While it tries it does not wait.
    assert seen == [None] * 4
    assert watch.waits_for is None
    meters = read_meters(stores.redis)
    assert meters[Meter.PAUSES, LOCKED.code] == meters[Meter.PAUSES, FULL.code] == 1


def test_any_other_error_ends_a_step_at_once(stores: Stores) -> None:
    watch = Stopwatch()
    claim = Claim(stores.redis, leased(stores.redis), watch)
    errors: list[Exception] = [LOCKED, MediaUnreadable("no video.", "Convert it.")]

    def step() -> None:
        raise errors.pop(0)

    with pytest.raises(MediaUnreadable):
        claim.patiently(step)
    assert watch.waits_for is None


def test_neither_pauses_nor_vain_tries_count_as_working_time(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    shown: list[tuple[float, str | None]] = []
    watch = Stopwatch()

    def sleep(_wait_s: float) -> None:
        clock[0] += 1000.0
        shown.append((watch.running_s, watch.waits_for))

    monkeypatch.setattr(time, "sleep", sleep)
    claim = Claim(stores.redis, leased(stores.redis), watch)
    clock[0] = 2.0
    tries = [5.0, 7.0]

    def inner() -> None:
        if tries:
            clock[0] += tries.pop()
            raise LOCKED
        clock[0] += 3.0

    outer_tries = [True]

    def outer() -> None:
        claim.patiently(inner)
        assert watch.running_s == pytest.approx(5.0)
        if outer_tries.pop():
            outer_tries.append(False)
            raise FULL

    claim.patiently(outer)
    assert shown == [(2.0, LOCKED.code), (2.0, LOCKED.code), (2.0, FULL.code)]
    assert watch.running_s == pytest.approx(5.0)
