"""Sampling waits for room, makes way, and ends when its file or its lease is lost."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from rq import SimpleWorker

from ingest.endings import cancel
from ingest.queue.backlog import Backlog
from ingest.queue.claims import Interrupted, Reason
from ingest.queue.connection import open_queue
from ingest.queue.gate import Gate
from ingest.queue.leases import Outcome, settle
from ingest.queue.names import Priority
from ingest.stores import Stores
from ingest.tables import Chunk, Sampling, Status, Submission
from tests.clips import RED, constant_times, write_scenes, write_timed
from tests.clipwarden.command import wait_for
from tests.ingest.sampling_by_hand import (
    Sampler,
    decoding,
    embed_jobs,
    fill_backlog,
    keep_empty,
    rows,
    run_sampler,
    submit_file,
    take_up_what_waits,
)
from tests.ingest.submitting import never


@pytest.fixture(autouse=True)
def no_commands_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep RQ from listening for commands: ceasing to takes it a second now and then."""
    monkeypatch.setattr(SimpleWorker, "subscribe", lambda _worker: None)


@pytest.fixture
def timed(tmp_path: Path) -> Path:
    """Six seconds at 25 fps, each picture showing its own time."""
    return write_timed(tmp_path / "timed.mp4", constant_times(25, 6.0))


def test_a_file_written_to_while_it_is_decoded_leaves_no_sampling(
    stores: Stores, timed: Path
) -> None:
    # Sampling waits for room on the queue, which gives the time to write.
    fill_backlog(stores)
    submit_file(stores, timed)
    sampling = Sampler(stores, max_queued_bytes=1)
    wait_for(decoding)
    with timed.open("ab") as handle:
        handle.write(b"more")
    Backlog(stores.redis).remove("theirs")
    keep_empty(stores, sampling)
    [submission] = rows(stores, Submission)
    assert isinstance(submission, Submission)
    assert submission.error_code == "media.changed"
    assert rows(stores, Sampling) == []


def test_sampling_waits_for_room_and_ends_when_nobody_waits_any_more(
    stores: Stores, timed: Path
) -> None:
    fill_backlog(stores)
    submission_id, _ = submit_file(stores, timed)
    sampling = Sampler(stores, max_queued_bytes=1)
    wait_for(decoding)
    assert rows(stores, Chunk) == []
    cancelling = threading.Thread(target=cancel, args=(stores, "default", submission_id, never))
    cancelling.start()
    sampling.join()
    assert sampling.error is None
    cancelling.join()
    assert [row.chunk for row in embed_jobs(stores)] == []
    assert rows(stores, Sampling) == rows(stores, Chunk) == []
    assert not decoding()


def test_a_video_goes_on_when_there_is_room_again(stores: Stores, timed: Path) -> None:
    _, work = submit_file(stores, timed)
    sampling = Sampler(stores, max_queued_bytes=1)
    for _ in range(3):
        wait_for(lambda: take_up_what_waits(stores))
    sampling.join()
    assert sampling.error is None
    assert [job.chunk for job in embed_jobs(stores)] == [0, 1, 2]
    assert Gate(stores.redis, work).progress().sampled == 150


def test_what_waits_for_room_makes_way_for_a_more_urgent_video(
    stores: Stores, timed: Path, tmp_path: Path
) -> None:
    fill_backlog(stores, Priority.LOW)
    _, low = submit_file(stores, timed, priority=Priority.LOW)
    sampling = Sampler(stores, max_queued_bytes=1, priority=Priority.LOW)
    wait_for(decoding)
    urgent_file = write_scenes(tmp_path / "red.mp4", [(RED, 0.2)], width=64, height=48)
    _, urgent = submit_file(stores, urgent_file, priority=Priority.HIGH)
    sampling.join()
    assert isinstance(sampling.error, Interrupted)
    assert sampling.error.reason is Reason.HANDED_BACK
    assert settle(stores.redis, sampling.lease, Outcome.AGAIN)
    # What waits at a lower priority is no reason to hold it back.
    run_sampler(stores, max_queued_bytes=1, max_jobs=1)
    assert {job.work for job in embed_jobs(stores)} == {urgent}
    Backlog(stores.redis).remove("theirs")
    run_sampler(stores)
    assert {job.work for job in embed_jobs(stores)} == {urgent, low}


def test_a_sampling_whose_lease_is_lost_in_the_middle_queues_no_more(
    stores: Stores, timed: Path
) -> None:
    submit_file(stores, timed)
    sampling = Sampler(stores, max_queued_bytes=1)
    wait_for(lambda: embed_jobs(stores))
    assert settle(stores.redis, sampling.lease, Outcome.AGAIN)
    assert take_up_what_waits(stores) == 1
    sampling.join()
    assert isinstance(sampling.error, Interrupted)
    assert sampling.error.reason is Reason.LOST
    assert len(rows(stores, Chunk)) == 1
    assert rows(stores, Sampling) == []
    run_sampler(stores)
    assert len(rows(stores, Chunk)) == 3
    assert len(rows(stores, Sampling)) == 1


def test_who_has_the_file_on_another_host_is_sampled_there(stores: Stores, timed: Path) -> None:
    first, work = submit_file(stores, timed)
    second, _ = submit_file(stores, timed, host="elsewhere")
    timed.unlink()
    run_sampler(stores)
    statuses = {row.id: row.status for row in rows(stores, Submission)}  # type: ignore[attr-defined]
    assert statuses == {first: Status.FAILED, second: Status.QUEUED}
    assert Gate(stores.redis, work).waiting() == (second,)
    assert len(open_queue("finish", stores.redis)) == 1
