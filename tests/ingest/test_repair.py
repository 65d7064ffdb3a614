"""Repair finds what SQL knows and the queue server has lost, and leaves all else alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from rq.utils import as_text

from ingest.endings import fail
from ingest.queue.backlog import Backlog
from ingest.queue.connection import open_queue
from ingest.queue.enqueueing import EMBED_TIMEOUT_S, enqueue_once
from ingest.queue.gate import Gate
from ingest.queue.jobs import EMBED
from ingest.queue.leases import Count, Outcome, settle, take
from ingest.queue.names import FINISH_QUEUE, Priority
from ingest.repair import Repaired, repair
from ingest.stores import Stores
from ingest.tables import Status
from ingest.works import embed_job_id, end_job, queue_finish, sample_job_id
from tests.ingest.submitting import (
    ATTEMPT,
    EMBED_QUEUE,
    ERROR,
    OTHER_WORK,
    SAMPLE_QUEUE,
    WORK,
    always,
    embed_job,
    never,
    queued,
    row_of,
    submit_to,
)

pytestmark = pytest.mark.every_backend

CHUNK_ID = embed_job_id(WORK, ATTEMPT, 0)


@pytest.fixture(autouse=True)
def looks_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.repair._SETTLING_S", 0.05)


def everything(stores: Stores) -> dict[bytes, Any]:
    """All that the queue server holds."""
    read: dict[str, Callable[[bytes], Any]] = {
        "string": stores.redis.get,
        "hash": stores.redis.hgetall,
        "set": stores.redis.smembers,
        "list": lambda key: stores.redis.lrange(key, 0, -1),
        "zset": lambda key: stores.redis.zrange(key, 0, -1, withscores=True),
    }
    return {key: read[as_text(stores.redis.type(key))](key) for key in stores.redis.scan_iter()}


def queue_chunk(stores: Stores) -> None:
    Gate(stores.redis, WORK).open([CHUNK_ID])
    enqueue_once(
        stores.redis, EMBED_QUEUE, EMBED, embed_job(), job_id=CHUNK_ID, timeout_s=EMBED_TIMEOUT_S
    )


def test_a_healthy_queue_is_not_touched(stores: Stores) -> None:
    queued_one = submit_to(stores)
    submit_to(stores)
    submit_to(stores, OTHER_WORK, is_embedded=always)
    ended = submit_to(stores, WORK.model_copy(update={"media_sha256": "9" * 64}))
    fail(stores, WORK.model_copy(update={"media_sha256": "9" * 64}), ended, ERROR)
    before = everything(stores)
    assert repair(stores, never) == Repaired(3, ())
    assert everything(stores) == before
    # And while it is worked on, or waits for a retry.
    lease = take(stores.redis, [SAMPLE_QUEUE], "somebody")
    assert lease is not None
    queue_chunk(stores)
    assert repair(stores, never).lost == ()
    assert settle(stores.redis, lease, Outcome.LATER, count=Count.FAILURE, delay_s=60)
    assert repair(stores, never).lost == ()
    assert queued_one in Gate(stores.redis, WORK).waiting()


def test_a_sampling_that_is_about_to_queue_a_chunk_is_left_alone(stores: Stores) -> None:
    submit_to(stores)
    take(stores.redis, [SAMPLE_QUEUE], "somebody")
    Gate(stores.redis, WORK).open([CHUNK_ID])
    assert repair(stores, never).lost == ()
    assert CHUNK_ID in Gate(stores.redis, WORK).pending()


def test_what_is_on_its_way_between_two_steps_is_not_lost(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.repair._SETTLING_S", 0.5)
    submission_id = submit_to(stores)
    stores.redis.flushall()
    found: list[Repaired] = []
    repairing = threading.Thread(target=lambda: found.append(repair(stores, never)))
    repairing.start()
    queue_finish(stores.redis, WORK, [submission_id])
    Gate(stores.redis, WORK).join(submission_id, sample_job_id(WORK))
    repairing.join()
    assert found == [Repaired(1, ())]
    assert queued(stores, SAMPLE_QUEUE) == []


def test_everything_is_queued_again_after_the_server_was_wiped(stores: Stores) -> None:
    low = WORK.model_copy(update={"media_sha256": "8" * 64})
    ids = [submit_to(stores), submit_to(stores), submit_to(stores, low, priority=Priority.LOW)]
    stores.redis.flushall()
    repaired = repair(stores, never)
    assert (repaired.unfinished, set(repaired.lost)) == (3, set(ids))
    assert Gate(stores.redis, WORK).waiting() == tuple(sorted(ids[:2]))
    assert len(queued(stores, SAMPLE_QUEUE)) == 1
    assert [job["work"]["media_sha256"] for job in queued(stores, "sample:low:here")] == ["8" * 64]
    assert repair(stores, never).lost == ()


def test_what_was_embedded_before_the_server_was_wiped_is_only_finished(stores: Stores) -> None:
    ids = [submit_to(stores), submit_to(stores)]
    stores.redis.flushall()
    repair(stores, always)
    assert queued(stores, SAMPLE_QUEUE) == []
    assert sorted(job["submission_id"] for job in queued(stores, FINISH_QUEUE)) == sorted(ids)


def test_a_lost_sampling_is_queued_again(stores: Stores) -> None:
    submission_id = submit_to(stores)
    open_queue(SAMPLE_QUEUE, stores.redis).empty()  # type: ignore[no-untyped-call]  # RQ's
    assert repair(stores, never).lost == (submission_id,)
    assert len(queued(stores, SAMPLE_QUEUE)) == 1
    assert Gate(stores.redis, WORK).pending() == (sample_job_id(WORK),)


def test_a_lost_chunk_has_the_video_sampled_again(stores: Stores) -> None:
    submission_id = submit_to(stores)
    open_queue(SAMPLE_QUEUE, stores.redis).empty()  # type: ignore[no-untyped-call]  # RQ's
    gate = Gate(stores.redis, WORK)
    gate.open([CHUNK_ID])
    gate.close([sample_job_id(WORK)])
    assert repair(stores, never).lost == (submission_id,)
    assert gate.pending() == (sample_job_id(WORK),)
    assert len(queued(stores, SAMPLE_QUEUE)) == 1


def test_a_lost_finish_is_queued_again(stores: Stores) -> None:
    submission_id = submit_to(stores)
    lease = take(stores.redis, [SAMPLE_QUEUE], "somebody")
    assert lease is not None
    end_job(stores.redis, WORK, sample_job_id(WORK))
    settle(stores.redis, lease, Outcome.DONE)
    open_queue(FINISH_QUEUE, stores.redis).empty()  # type: ignore[no-untyped-call]  # RQ's
    assert repair(stores, always).lost == (submission_id,)
    assert [job["submission_id"] for job in queued(stores, FINISH_QUEUE)] == [submission_id]


def test_a_chunk_left_by_a_sampler_that_outlived_the_wipe_holds_nothing_up(
    stores: Stores,
) -> None:
    submit_to(stores)
    stores.redis.flushall()
    # It was between its check of the lease and its queueing.
    Gate(stores.redis, WORK).open([CHUNK_ID])
    repair(stores, never)
    assert Gate(stores.redis, WORK).pending() == (sample_job_id(WORK),)
    assert len(queued(stores, SAMPLE_QUEUE)) == 1


def test_two_repairs_at_once_queue_everything_once(stores: Stores) -> None:
    ids = [submit_to(stores) for _ in range(3)]
    stores.redis.flushall()
    threads = [threading.Thread(target=repair, args=(stores, never)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(queued(stores, SAMPLE_QUEUE)) == 1
    assert Gate(stores.redis, WORK).waiting() == tuple(sorted(ids))


def test_pixels_whose_job_is_gone_hold_sampling_back_no_longer(stores: Stores) -> None:
    submit_to(stores)
    queue_chunk(stores)
    backlog = Backlog(stores.redis)
    backlog.add(WORK.model_key, Priority.LOW, CHUNK_ID, 10)
    backlog.add(WORK.model_key, Priority.LOW, "gone", 1000)
    repair(stores, never)
    assert backlog.bytes_ahead_of(WORK.model_key, Priority.LOW) == 10


def refuse(stores: Stores, queue: str) -> None:
    """Do as a worker does that can't read the next job."""
    lease = take(stores.redis, [queue], "of another release")
    assert lease is not None
    assert settle(stores.redis, lease, Outcome.DEAD, count=Count.FAILURE)


def test_what_is_refused_again_and_again_fails_at_last(stores: Stores) -> None:
    ids = [submit_to(stores), submit_to(stores)]
    for _ in range(3):
        refuse(stores, SAMPLE_QUEUE)
        repair(stores, never)
        assert [row_of(stores, one).status for one in ids] == [Status.QUEUED] * 2
    refuse(stores, SAMPLE_QUEUE)
    repair(stores, never)
    rows = [row_of(stores, one) for one in ids]
    assert {(row.status, row.error_code) for row in rows} == {(Status.FAILED, "queue.job_refused")}
    assert repair(stores, never) == Repaired(0, ())


def test_what_can_not_be_looked_at_keeps_nothing_else_from_being_repaired(stores: Stores) -> None:
    submit_to(stores)
    other = submit_to(stores, OTHER_WORK)
    stores.redis.flushall()
    stores.redis.set(f"clipwarden:waiting:{WORK.id}", "no set")
    assert repair(stores, never).lost == (other,)
    assert Gate(stores.redis, OTHER_WORK).awaits(other)
