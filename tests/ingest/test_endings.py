"""A submission ends once: failed with its first error, cancelled with nothing left, or anew."""

from __future__ import annotations

import threading

import pytest

from ingest.endings import cancel, cancel_runs, fail, fail_all, release, retry
from ingest.errors import (
    MediaUnreadable,
    StillRunning,
    SubmissionEnded,
    SubmissionNotEnded,
    SubmissionNotFound,
)
from ingest.keys import pixels_key
from ingest.queue.backlog import Backlog
from ingest.queue.enqueueing import EMBED_TIMEOUT_S, enqueue_once
from ingest.queue.gate import Gate
from ingest.queue.jobs import EMBED
from ingest.queue.leases import Outcome, settle, take
from ingest.queue.meters import Meter, read_meters
from ingest.queue.names import FINISH_QUEUE, Priority
from ingest.stores import Stores
from ingest.tables import Status, Submission
from ingest.works import embed_job_id, end_job, queue_finish, sample_job_id
from tests.ingest.submitting import (
    ATTEMPT,
    EMBED_QUEUE,
    ERROR,
    HOST,
    OTHER_WORK,
    QUEUES,
    SAMPLE_QUEUE,
    WORK,
    always,
    embed_job,
    never,
    queued,
    row_of,
    submit_to,
    traces,
)

pytestmark = pytest.mark.every_backend

CHUNK_ID = embed_job_id(WORK, ATTEMPT, 0)


def queue_chunk(stores: Stores) -> str:
    """Store and queue a chunk as the sampler does; returns the key of its pixels."""
    key = pixels_key(WORK, ATTEMPT, 0)
    stores.blobs.put(key, b"pixels")
    Gate(stores.redis, WORK).open([CHUNK_ID])
    Backlog(stores.redis).add(WORK.model_key, Priority.NORMAL, CHUNK_ID, 1000)
    enqueue_once(
        stores.redis,
        EMBED_QUEUE,
        EMBED,
        embed_job(),
        job_id=CHUNK_ID,
        timeout_s=EMBED_TIMEOUT_S,
    )
    return key


def status_of(stores: Stores, submission_id: str) -> str:
    return row_of(stores, submission_id).status


def test_a_failed_submission_keeps_the_first_error_and_waits_no_longer(stores: Stores) -> None:
    submission_id = submit_to(stores)
    fail(stores, WORK, submission_id, ERROR)
    first = row_of(stores, submission_id)
    fail(stores, WORK, submission_id, MediaUnreadable("Other.", "Other."))
    row = row_of(stores, submission_id)
    assert (row.status, row.error_code, row.error_message, row.error_cure) == (
        Status.FAILED,
        "media.unreadable",
        "clip.mp4 is no video.",
        "Convert it.",
    )
    assert row.finished_at == first.finished_at is not None
    assert Gate(stores.redis, WORK).waiting() == ()
    assert read_meters(stores.redis)[Meter.SUBMISSIONS, "failed"] == 1


@pytest.mark.parametrize("status", [Status.DONE, Status.PARTIAL, Status.CANCELLED])
def test_what_has_ended_does_not_fail_any_more(stores: Stores, status: Status) -> None:
    submission_id = submit_to(stores)
    with stores.database.begin() as session:
        session.get_one(Submission, ("default", submission_id)).status = status
    fail(stores, WORK, submission_id, ERROR)
    row = row_of(stores, submission_id)
    assert (row.status, row.error_code) == (status, None)


def test_failing_what_was_never_submitted_is_no_error(stores: Stores) -> None:
    fail(stores, WORK, "0" * 32, ERROR)
    assert Gate(stores.redis, WORK).waiting() == ()


def test_a_work_that_fails_fails_all_who_want_it_and_nobody_else(stores: Stores) -> None:
    ids = [submit_to(stores) for _ in range(2)]
    other = submit_to(stores, OTHER_WORK)
    key = queue_chunk(stores)
    assert fail_all(stores, WORK, ERROR) == ids
    assert [status_of(stores, one) for one in [*ids, other]] == ["failed", "failed", "queued"]
    assert not stores.blobs.exists(key)
    assert Gate(stores.redis, WORK).pending() == Gate(stores.redis, WORK).waiting() == ()


def test_who_comes_while_a_work_fails_is_finished_by_its_end(stores: Stores) -> None:
    # Between the list of those who fail and the end of the sampling.
    submission_id = submit_to(stores)
    fail_all(stores, WORK, ERROR)
    with stores.database.begin() as session:
        session.get_one(Submission, ("default", submission_id)).status = Status.DONE
    second = submit_to(stores)
    end_job(stores.redis, WORK, sample_job_id(WORK))
    assert [job["submission_id"] for job in queued(stores, FINISH_QUEUE)] == [second]


def test_a_cancelled_submission_leaves_nothing_on_the_queue_and_no_pixels(stores: Stores) -> None:
    submission_id = submit_to(stores)
    key = queue_chunk(stores)
    queue_finish(stores.redis, WORK, [submission_id])
    cancel(stores, "default", submission_id, never)
    row = row_of(stores, submission_id)
    assert (row.status, row.error_code) == (Status.CANCELLED, None)
    assert row.finished_at is not None
    assert traces(stores) == []
    assert [queued(stores, queue) for queue in QUEUES] == [[], [], []]
    assert not stores.blobs.exists(key)


def test_a_submission_is_cancelled_once(stores: Stores) -> None:
    submission_id = submit_to(stores)
    cancel(stores, "default", submission_id[:12], never)
    with pytest.raises(SubmissionEnded, match="cancelled") as caught:
        cancel(stores, "default", submission_id, never)
    assert caught.value.cure
    with pytest.raises(SubmissionNotFound):
        cancel(stores, "other", submission_id, never)


def test_two_who_cancel_at_once_are_told_apart(stores: Stores) -> None:
    submission_id = submit_to(stores)
    together, told = threading.Barrier(4), []

    def one() -> None:
        together.wait()
        try:
            cancel(stores, "default", submission_id, never)
            told.append("cancelled")
        except SubmissionEnded:
            told.append("ended")

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["cancelled", "ended", "ended", "ended"]
    assert read_meters(stores.redis)[Meter.SUBMISSIONS, "cancelled"] == 1


def test_cancelling_one_of_two_leaves_the_work_to_the_other(stores: Stores) -> None:
    first, second = submit_to(stores), submit_to(stores)
    key = queue_chunk(stores)
    cancel(stores, "default", first, never)
    gate = Gate(stores.redis, WORK)
    assert gate.waiting() == (second,)
    assert set(gate.pending()) == {sample_job_id(WORK), CHUNK_ID}
    assert len(queued(stores, SAMPLE_QUEUE)) == len(queued(stores, EMBED_QUEUE)) == 1
    assert stores.blobs.exists(key)
    cancel(stores, "default", second, never)
    assert traces(stores) == []


def test_a_cancel_waits_until_the_job_that_runs_has_ended(stores: Stores) -> None:
    submission_id = submit_to(stores)
    lease = take(stores.redis, [SAMPLE_QUEUE], "somebody")
    assert lease is not None
    cancelling = threading.Thread(target=cancel, args=(stores, "default", submission_id, never))
    cancelling.start()
    while Gate(stores.redis, WORK).is_awaited():
        pass
    # What the sampler still queues before it notices.
    key = queue_chunk(stores)
    assert cancelling.is_alive()
    settle(stores.redis, lease, Outcome.DONE)
    cancelling.join()
    assert traces(stores) == []
    assert not stores.blobs.exists(key)


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a worker that never ends its job for no longer than a test may."""
    monkeypatch.setattr("ingest.endings._STOP_WAIT_S", 0.1)


@pytest.mark.usefixtures("little_patience")
def test_a_cancel_tells_of_a_worker_that_does_not_let_go_and_can_be_done_again(
    stores: Stores,
) -> None:
    submission_id = submit_to(stores)
    key = queue_chunk(stores)
    lease = take(stores.redis, [SAMPLE_QUEUE], "somebody who is frozen")
    assert lease is not None
    for _ in range(2):
        with pytest.raises(StillRunning, match="still has 1 of its jobs") as caught:
            cancel(stores, "default", submission_id, never)
        assert "15 s" in caught.value.cure
        assert status_of(stores, submission_id) == "cancelled"
        assert stores.blobs.exists(key)
    # What the reaper does once the lease has lapsed.
    settle(stores.redis, lease, Outcome.AGAIN)
    cancel(stores, "default", submission_id, never)
    assert traces(stores) == []
    assert not stores.blobs.exists(key)
    with pytest.raises(SubmissionEnded):
        cancel(stores, "default", submission_id, never)


@pytest.mark.usefixtures("little_patience")
def test_a_job_that_nobody_could_end_does_for_who_submits_the_same(stores: Stores) -> None:
    first = submit_to(stores)
    lease = take(stores.redis, [SAMPLE_QUEUE], "somebody who is frozen")
    assert lease is not None
    with pytest.raises(StillRunning):
        cancel(stores, "default", first, never)
    second = submit_to(stores)
    settle(stores.redis, lease, Outcome.AGAIN)
    assert len(queued(stores, SAMPLE_QUEUE)) == 1
    assert Gate(stores.redis, WORK).waiting() == (second,)
    assert Gate(stores.redis, WORK).pending() == (sample_job_id(WORK),)
    with pytest.raises(SubmissionEnded):
        cancel(stores, "default", first, never)


@pytest.mark.usefixtures("little_patience")
def test_one_run_that_is_not_let_go_of_keeps_no_other_from_being_cancelled(stores: Stores) -> None:
    submit_to(stores, run_id="r" * 32)
    other = submit_to(stores, OTHER_WORK, run_id="r" * 32)
    assert take(stores.redis, [SAMPLE_QUEUE], "somebody who is frozen") is not None
    assert cancel_runs(stores, "default", never, host=HOST) == 2
    assert {row_of(stores, other).status} == {"cancelled"}
    assert Gate(stores.redis, OTHER_WORK).pending() == ()
    assert queued(stores, SAMPLE_QUEUE) == []


@pytest.mark.parametrize("is_running", [False, True])
def test_who_joins_while_a_work_is_released_is_set_out_anew(
    stores: Stores, is_running: bool
) -> None:
    first = submit_to(stores)
    lease = take(stores.redis, [SAMPLE_QUEUE], "somebody") if is_running else None
    second = submit_to(stores)
    row = row_of(stores, first)
    with stores.database.begin() as session:
        session.get_one(Submission, ("default", first)).status = Status.CANCELLED
    # As if it had come between the last one's leaving and the end of its jobs.
    gate = Gate(stores.redis, WORK)
    gate.leave(second)
    releasing = threading.Thread(target=release, args=(stores, row, never))
    releasing.start()
    if lease is not None:
        # Only a job that runs holds the release up: without one it may be over before one looks.
        while gate.is_awaited():
            pass
        settle(stores.redis, lease, Outcome.DONE)
    releasing.join()
    assert gate.waiting() == (second,)
    assert gate.pending() == (sample_job_id(WORK),)
    assert len(queued(stores, SAMPLE_QUEUE)) == 1


def test_runs_whose_command_is_gone_are_cancelled_and_what_was_left_to_the_queue_is_not(
    stores: Stores,
) -> None:
    other = WORK.model_copy(update={"tenant": "other"})
    run, left = submit_to(stores, run_id="r" * 32), submit_to(stores)
    foreign = submit_to(stores, other, run_id="r" * 32)
    failed = submit_to(stores, run_id="r" * 32)
    fail(stores, WORK, failed, ERROR)
    assert cancel_runs(stores, "default", never, host=HOST) == 1
    assert cancel_runs(stores, "default", never, host=HOST) == 0
    statuses = [status_of(stores, one) for one in (run, left, failed)]
    assert statuses == ["cancelled", "queued", "failed"]
    assert row_of(stores, foreign, "other").status == "queued"
    assert Gate(stores.redis, WORK).waiting() == (left,)


@pytest.mark.parametrize("ended", ["failed", "cancelled"])
def test_what_failed_or_was_cancelled_can_be_tried_again(stores: Stores, ended: str) -> None:
    submission_id = submit_to(stores)
    if ended == "failed":
        fail_all(stores, WORK, ERROR)
        stores.redis.delete(*traces(stores))
    else:
        cancel(stores, "default", submission_id, never)
    stores.redis.delete("rq:queue:" + SAMPLE_QUEUE)
    retry(stores, "default", submission_id, never)
    row = row_of(stores, submission_id)
    assert (row.status, row.finished_at, row.error_code) == (Status.QUEUED, None, None)
    assert (row.error_message, row.error_cure) == (None, None)
    assert Gate(stores.redis, WORK).waiting() == (submission_id,)
    assert len(queued(stores, SAMPLE_QUEUE)) == 1


def test_what_is_embedded_is_only_finished_when_it_is_tried_again(stores: Stores) -> None:
    submission_id = submit_to(stores)
    cancel(stores, "default", submission_id, never)
    retry(stores, "default", submission_id, always)
    assert queued(stores, SAMPLE_QUEUE) == []
    assert len(queued(stores, FINISH_QUEUE)) == 1


@pytest.mark.parametrize("status", [Status.QUEUED, Status.DONE, Status.PARTIAL])
def test_what_has_not_ended_or_ended_well_is_not_tried_again(
    stores: Stores, status: Status
) -> None:
    submission_id = submit_to(stores)
    with stores.database.begin() as session:
        session.get_one(Submission, ("default", submission_id)).status = status
    with pytest.raises(SubmissionNotEnded, match=status):
        retry(stores, "default", submission_id, never)
