"""A submission's life: it is queued once, it ends once, and who waits for it is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import DatabaseUnavailable, MediaUnreadable
from ingest.queue.connection import FINISH_QUEUE, SAMPLE_QUEUE, open_queue
from ingest.queue.gate import Gate, chunk_member
from ingest.queue.payloads import FinishJob, SampleJob, Work
from ingest.stores import Stores
from ingest.submissions import (
    Wish,
    cancel_unfinished,
    end_sampling,
    fail,
    queue_finish,
    submit,
    work_of,
)
from ingest.tables import Status, Submission

WORK = Work(
    tenant="default",
    media_sha256="a" * 64,
    sampling_key="fps-2.centre-224-bicubic",
    model_key="0123456789abcdef",
)
ERROR = MediaUnreadable("clip.mp4 is no video.", "Convert it.")


def wish(work: Work = WORK) -> Wish:
    return Wish(
        work=work,
        path=Path("/videos/a clip.mp4"),
        source="a clip.mp4",
        size_bytes=5_000_000_000,
        model_card="{}",
        sampling="fps:2",
        geometry="centre-224-bicubic",
        prompt_set_sha256s=("b" * 64, "c" * 64),
    )


def submit_to(stores: Stores, work: Work = WORK, *, is_embedded: bool = False) -> str:
    return submit(stores.database, stores.redis, wish(work), is_embedded=is_embedded)


def row_of(stores: Stores, submission_id: str, tenant: str = "default") -> Submission:
    with stores.database.read() as session:
        row = session.get_one(Submission, (tenant, submission_id))
        session.expunge(row)
    return row


def queued(stores: Stores, queue: str) -> Sequence[dict[str, Any]]:
    return [job.args[0] for job in open_queue(queue, stores.redis).jobs]


def test_a_wish_becomes_a_row_and_a_sampling_job(stores: Stores) -> None:
    submission_id = submit_to(stores)
    row = row_of(stores, submission_id)
    assert (row.status, row.source, row.size_bytes) == ("queued", "a clip.mp4", 5_000_000_000)
    assert row.prompt_sets == ["b" * 64, "c" * 64]
    assert row.finished_at is None
    assert work_of(row) == WORK
    assert Gate(stores.redis, WORK).waiting() == (submission_id,)
    [args] = queued(stores, SAMPLE_QUEUE)
    job = SampleJob.from_args(args)
    assert (job.submission_id, job.work) == (submission_id, WORK)
    assert row.media_url == "file:///videos/a%20clip.mp4"
    assert queued(stores, FINISH_QUEUE) == []


def test_what_is_embedded_already_is_only_finished(stores: Stores) -> None:
    submission_id = submit_to(stores, is_embedded=True)
    [args] = queued(stores, FINISH_QUEUE)
    assert FinishJob.from_args(args) == FinishJob(submission_id=submission_id, work=WORK)
    assert queued(stores, SAMPLE_QUEUE) == []


def test_each_submission_is_one_of_its_own_though_the_work_is_shared(stores: Stores) -> None:
    ids = [submit_to(stores) for _ in range(3)]
    assert len(set(ids)) == 3
    assert Gate(stores.redis, WORK).waiting() == tuple(sorted(ids))


def test_a_finish_is_queued_once(stores: Stores) -> None:
    for _ in range(2):
        queue_finish(stores.redis, WORK, ["one", "two"])
    assert [job["submission_id"] for job in queued(stores, FINISH_QUEUE)] == ["one", "two"]


def test_a_failed_submission_keeps_the_first_error_and_waits_no_longer(stores: Stores) -> None:
    submission_id = submit_to(stores)
    fail(stores.database, stores.redis, WORK, submission_id, ERROR)
    first = row_of(stores, submission_id)
    fail(stores.database, stores.redis, WORK, submission_id, MediaUnreadable("Other.", "Other."))
    row = row_of(stores, submission_id)
    assert (row.status, row.error_code, row.error_message, row.error_cure) == (
        Status.FAILED,
        "media.unreadable",
        "clip.mp4 is no video.",
        "Convert it.",
    )
    assert row.finished_at == first.finished_at is not None
    assert Gate(stores.redis, WORK).waiting() == ()


@pytest.mark.parametrize("status", [Status.DONE, Status.PARTIAL, Status.CANCELLED])
def test_what_has_ended_does_not_fail_any_more(stores: Stores, status: Status) -> None:
    submission_id = submit_to(stores)
    with stores.database.begin() as session:
        session.get_one(Submission, ("default", submission_id)).status = status
    fail(stores.database, stores.redis, WORK, submission_id, ERROR)
    row = row_of(stores, submission_id)
    assert (row.status, row.error_code) == (status, None)


def test_failing_what_was_never_submitted_is_no_error(stores: Stores) -> None:
    fail(stores.database, stores.redis, WORK, "0" * 32, ERROR)
    assert Gate(stores.redis, WORK).waiting() == ()


def test_only_what_has_not_ended_is_cancelled_and_only_of_that_tenant(stores: Stores) -> None:
    other = WORK.model_copy(update={"tenant": "other"})
    waiting, failed, foreign = submit_to(stores), submit_to(stores), submit_to(stores, other)
    fail(stores.database, stores.redis, WORK, failed, ERROR)
    assert cancel_unfinished(stores.database, stores.redis, "default") == 1
    assert cancel_unfinished(stores.database, stores.redis, "default") == 0
    assert row_of(stores, waiting).status == Status.CANCELLED
    assert row_of(stores, waiting).finished_at is not None
    assert row_of(stores, failed).status == Status.FAILED
    assert row_of(stores, foreign, "other").status == Status.QUEUED
    assert Gate(stores.redis, WORK).waiting() == ()
    assert Gate(stores.redis, other).waiting() == (foreign,)


def test_the_work_does_not_end_before_every_sampling_has(stores: Stores) -> None:
    first, second = submit_to(stores), submit_to(stores)
    gate = Gate(stores.redis, WORK)
    gate.open([chunk_member(0)])
    end_sampling(stores.redis, WORK, first)
    assert not gate.close([chunk_member(0)])
    assert queued(stores, FINISH_QUEUE) == []
    end_sampling(stores.redis, WORK, second)
    jobs = queued(stores, FINISH_QUEUE)
    assert [job["submission_id"] for job in jobs] == sorted([first, second])


def test_who_still_waits_is_finished_when_the_last_other_fails(stores: Stores) -> None:
    first, second = submit_to(stores), submit_to(stores)
    end_sampling(stores.redis, WORK, first)
    fail(stores.database, stores.redis, WORK, second, ERROR)
    assert [job["submission_id"] for job in queued(stores, FINISH_QUEUE)] == [first]


def test_cancelling_all_queues_no_finish_and_leaves_nothing_pending(stores: Stores) -> None:
    for _ in range(2):
        submit_to(stores)
    cancel_unfinished(stores.database, stores.redis, "default")
    assert queued(stores, FINISH_QUEUE) == []
    again = submit_to(stores)
    end_sampling(stores.redis, WORK, again)
    assert [job["submission_id"] for job in queued(stores, FINISH_QUEUE)] == [again]


def test_what_can_not_be_recorded_is_not_queued(stores: Stores) -> None:
    with stores.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE submissions")
    with pytest.raises(DatabaseUnavailable):
        submit_to(stores)
    assert queued(stores, SAMPLE_QUEUE) == []
    assert Gate(stores.redis, WORK).waiting() == ()
