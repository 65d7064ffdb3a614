"""A submission is recorded once, whatever its client repeats, and its work is queued once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.errors import DatabaseFailed, SubmissionNotFound, TokenReused
from ingest.queue.connection import open_queue
from ingest.queue.gate import Gate
from ingest.queue.names import FINISH_QUEUE, Priority, sample_queue
from ingest.queue.payloads import FinishJob, SampleJob
from ingest.stores import Stores
from ingest.submissions import Submitted, find_submission, installation_id, unfinished_of
from ingest.tables import Media, Status
from ingest.works import end_job, queue_finish, sample_job_id, work_of
from tests.ingest.submitting import (
    OTHER_WORK,
    SAMPLE_QUEUE,
    WORK,
    always,
    never,
    queued,
    row_of,
    rows_of,
    submit_to,
    submitted_to,
)

pytestmark = pytest.mark.every_backend

AT_ONCE = 8


def media_of(stores: Stores) -> Media | None:
    with stores.database.read() as session:
        media = session.get(Media, (WORK.tenant, WORK.media_sha256))
        session.expunge_all()
    return media


def test_a_wish_becomes_a_row_and_a_sampling_job(stores: Stores) -> None:
    submission_id = submit_to(stores)
    row = row_of(stores, submission_id)
    assert (row.status, row.source, row.size_bytes) == ("queued", "a clip.mp4", 5_000_000_000)
    assert row.prompt_sets == ["b" * 64, "c" * 64]
    assert (row.finished_at, row.request_token, row.run_id) == (None, None, None)
    assert work_of(row) == WORK
    assert Gate(stores.redis, WORK).waiting() == (submission_id,)
    [args] = queued(stores, SAMPLE_QUEUE)
    assert SampleJob.from_args(args) == SampleJob(work=WORK, priority=Priority.NORMAL)
    assert (row.location, row.host) == ("file:///videos/a%20clip.mp4", "here")
    assert queued(stores, FINISH_QUEUE) == []


def test_what_was_copied_is_sampled_by_any_host(stores: Stores) -> None:
    submission_id = submit_to(stores, in_place=None, priority=Priority.HIGH)
    row, media = row_of(stores, submission_id), media_of(stores)
    assert (row.location, row.host) == (None, None)
    assert media is not None
    assert media.blob_key == f"default/media/{WORK.media_sha256}/original"
    assert len(queued(stores, sample_queue(Priority.HIGH))) == 1


def test_who_keeps_his_file_does_not_take_anothers_copy_away(stores: Stores) -> None:
    submit_to(stores, in_place=None)
    submit_to(stores)
    media = media_of(stores)
    assert media is not None
    assert media.blob_key is not None


def test_what_is_embedded_already_is_only_finished(stores: Stores) -> None:
    submission_id = submit_to(stores, is_embedded=always)
    [args] = queued(stores, FINISH_QUEUE)
    assert FinishJob.from_args(args) == FinishJob(submission_id=submission_id, work=WORK)
    assert queued(stores, SAMPLE_QUEUE) == []
    assert Gate(stores.redis, WORK).pending() == ()


def test_each_submission_is_one_of_its_own_though_the_work_is_queued_once(stores: Stores) -> None:
    ids = [submit_to(stores) for _ in range(3)]
    assert len(set(ids)) == 3
    assert Gate(stores.redis, WORK).waiting() == tuple(sorted(ids))
    assert len(queued(stores, SAMPLE_QUEUE)) == 1


def test_many_at_once_are_all_recorded_and_their_work_is_queued_once(stores: Stores) -> None:
    ids = [one.id for one in at_once(stores)]
    assert len(set(ids)) == AT_ONCE
    assert {row.id for row in rows_of(stores)} == set(ids)
    assert Gate(stores.redis, WORK).waiting() == tuple(sorted(ids))
    assert len(queued(stores, SAMPLE_QUEUE)) == 1


def test_the_same_request_token_again_is_the_same_submission(stores: Stores) -> None:
    first = submitted_to(stores, request_token="mine")
    second = submitted_to(stores, request_token="mine")
    assert (first.is_new, second.is_new) == (True, False)
    assert first.id == second.id
    assert len(rows_of(stores)) == len(queued(stores, SAMPLE_QUEUE)) == 1


def test_a_request_repeated_at_once_is_one_submission(stores: Stores) -> None:
    found = at_once(stores, request_token="mine")
    assert len({one.id for one in found}) == 1
    assert sum(one.is_new for one in found) == 1
    assert len(rows_of(stores)) == len(queued(stores, SAMPLE_QUEUE)) == 1


def test_a_request_whose_client_died_before_the_queue_was_reached_is_completed(
    stores: Stores,
) -> None:
    first = submitted_to(stores, request_token="mine")
    stores.redis.flushall()
    assert submitted_to(stores, request_token="mine").id == first.id
    assert len(queued(stores, SAMPLE_QUEUE)) == 1


def test_a_token_of_a_submission_that_ended_starts_nothing(stores: Stores) -> None:
    first = submitted_to(stores, request_token="mine")
    with stores.database.begin() as session:
        row = session.merge(row_of(stores, first.id))
        row.status = Status.DONE
    stores.redis.flushall()
    assert submitted_to(stores, request_token="mine").id == first.id
    assert queued(stores, SAMPLE_QUEUE) == []


@pytest.mark.parametrize("other", ["media", "prompt sets"])
def test_a_token_with_another_request_is_refused_and_leaves_nothing(
    stores: Stores, other: str
) -> None:
    submitted_to(stores, OTHER_WORK, request_token="mine")
    work = WORK if other == "media" else OTHER_WORK
    with pytest.raises(TokenReused, match="mine"):
        submitted_to(stores, work, in_place=None, request_token="mine", prompt_sets=("f" * 64,))
    assert len(rows_of(stores)) == 1
    assert media_of(stores) is None


def test_tenants_may_use_the_same_token(stores: Stores) -> None:
    other = WORK.model_copy(update={"tenant": "other"})
    assert submitted_to(stores, request_token="mine").is_new
    assert submitted_to(stores, other, request_token="mine").is_new


def test_a_finish_is_queued_once(stores: Stores) -> None:
    for _ in range(2):
        queue_finish(stores.redis, WORK, ["one", "two"])
    assert [job["submission_id"] for job in queued(stores, FINISH_QUEUE)] == ["one", "two"]


def test_the_last_job_to_end_queues_the_finish_of_all_who_wait(stores: Stores) -> None:
    ids = [submit_to(stores) for _ in range(2)]
    Gate(stores.redis, WORK).open(["chunk"])
    end_job(stores.redis, WORK, sample_job_id(WORK))
    assert queued(stores, FINISH_QUEUE) == []
    end_job(stores.redis, WORK, "chunk")
    assert [job["submission_id"] for job in queued(stores, FINISH_QUEUE)] == sorted(ids)


def test_unfinished_are_told_by_work_oldest_first(stores: Stores) -> None:
    ids = [submit_to(stores) for _ in range(3)]
    submit_to(stores, OTHER_WORK)
    assert [row.id for row in unfinished_of(stores.database, WORK)] == ids


def test_a_submission_is_found_by_the_beginning_of_its_id(stores: Stores) -> None:
    submission_id = submit_to(stores)
    assert find_submission(stores.database, "default", submission_id[:10].upper()).id == (
        submission_id
    )


@pytest.mark.parametrize("name", ["", "0123456789abcdef" * 2, "%", "_", "g", "0" * 33])
def test_what_is_no_id_is_not_found(stores: Stores, name: str) -> None:
    submit_to(stores)
    with pytest.raises(SubmissionNotFound, match="there is no submission"):
        find_submission(stores.database, "default", name)


def test_an_id_is_not_found_for_another_tenant_nor_where_it_is_ambiguous(stores: Stores) -> None:
    ids = [submit_to(stores) for _ in range(17)]
    with pytest.raises(SubmissionNotFound, match="no submission"):
        find_submission(stores.database, "other", ids[0])
    # Seventeen ids have two that begin alike.
    first_digits = [one[0] for one in ids]
    [common, *_] = [one for one in first_digits if first_digits.count(one) > 1]
    with pytest.raises(SubmissionNotFound, match="several"):
        find_submission(stores.database, "default", common)


def test_an_installation_keeps_its_name(stores: Stores) -> None:
    first = installation_id(stores.database)
    assert len(first) == 32
    assert installation_id(stores.database) == first


def test_what_can_not_be_recorded_is_not_queued(stores: Stores) -> None:
    with stores.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE submissions")
    with pytest.raises(DatabaseFailed):
        submit_to(stores)
    assert open_queue(SAMPLE_QUEUE, stores.redis).is_empty()
    assert Gate(stores.redis, WORK).waiting() == ()


def at_once(stores: Stores, request_token: str | None = None) -> list[Submitted]:
    """Submit the same from several threads in the same moment."""
    together = threading.Barrier(AT_ONCE)

    def one(_: int) -> Submitted:
        together.wait()
        return submitted_to(stores, WORK, never, request_token=request_token)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))
