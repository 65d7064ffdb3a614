"""The queue server loses everything while a video is under way; repair brings it to its result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from ingest.queue.claims import Interrupted, Reason
from ingest.queue.names import FINISH_QUEUE
from ingest.tables import DEFAULT_TENANT, Sampling, Status, Submission
from tests.clipwarden.command import wait_for
from tests.worker.chain import EMBED_QUEUE, SAMPLE_QUEUE, Chain
from worker.tables import Embedding, Result, SegmentRow

Stage = Callable[[Chain], None]


@pytest.fixture(autouse=True)
def looks_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.repair._SETTLING_S", 0.02)


def queued(_chain: Chain) -> None:
    """Nothing was done yet."""


def sampled(chain: Chain) -> None:
    chain.sample()


def half_embedded(chain: Chain) -> None:
    chain.sample()
    chain.embed(max_jobs=2)


def embedded(chain: Chain) -> None:
    chain.sample()
    chain.embed()


@pytest.mark.parametrize("stage", [queued, sampled, half_embedded, embedded])
def test_a_wiped_server_costs_no_video_and_embeds_nothing_twice(
    chain: Chain, three_scenes: Path, stage: Stage
) -> None:
    both = [chain.submit(three_scenes), chain.submit(three_scenes)]
    stage(chain)
    chain.stores.redis.flushall()
    assert set(chain.repair().lost) == {one.id for one in both}
    assert chain.repair().lost == ()
    chain.run()
    assert [chain.status(one) for one in both] == [Status.DONE, Status.DONE]
    assert [one.label for one in chain.document(both[0]).segments] == ["red", "green", "blue"]
    assert sum(chain.encoder.batches) == 150
    assert chain.traces() == []
    assert chain.pixels() == []
    assert chain.repair().unfinished == 0


@pytest.mark.parametrize(
    ("stage", "queue"),
    [(queued, SAMPLE_QUEUE), (sampled, EMBED_QUEUE), (embedded, FINISH_QUEUE)],
)
def test_a_job_whose_lease_was_lost_commits_nothing(
    chain: Chain, three_scenes: Path, stage: Stage, queue: str
) -> None:
    submitted = chain.submit(three_scenes)
    stage(chain)
    before = committed(chain)
    blobs = chain.blobs_under("default")
    taken = chain.take(queue)
    taken.lapse()
    with pytest.raises(Interrupted) as caught:
        taken.run()
    assert caught.value.reason is Reason.LOST
    assert committed(chain) == before
    assert chain.blobs_under("default") == blobs
    # Whoever has it now finds all that it needs.
    chain.run()
    assert chain.status(submitted) == Status.DONE


@pytest.mark.every_backend
@pytest.mark.parametrize(
    ("stage", "queue"),
    [(queued, SAMPLE_QUEUE), (sampled, EMBED_QUEUE), (embedded, FINISH_QUEUE)],
)
def test_two_workers_at_one_job_leave_what_one_would(
    chain: Chain, three_scenes: Path, stage: Stage, queue: str
) -> None:
    submitted = chain.submit(three_scenes)
    if stage is not queued:
        stage(chain)
    taken = chain.take(queue)
    barrier = threading.Barrier(2)
    raised: list[BaseException] = []

    def one() -> None:
        barrier.wait()
        try:
            taken.run()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []
    taken.end()
    chain.run()
    document = chain.document(submitted)
    assert [(one.label, one.start_ms, one.end_ms) for one in document.segments] == [
        ("red", 0, 2000),
        ("green", 2000, 4000),
        ("blue", 4000, 6000),
    ]
    assert [row.frames for row in chain.rows(Embedding)] == [64, 64, 22]
    assert len(chain.rows(Sampling)) == len(chain.rows(Result)) == 1
    assert len(chain.rows(SegmentRow)) == 3
    assert chain.traces() == []
    assert chain.pixels() == []


@pytest.mark.every_backend
def test_two_submissions_of_a_work_finished_at_once_share_one_result(
    chain: Chain, three_scenes: Path
) -> None:
    several = [chain.submit(three_scenes) for _ in range(4)]
    embedded(chain)
    taken = [chain.take(FINISH_QUEUE) for _ in several]
    barrier = threading.Barrier(len(taken))
    raised: list[BaseException] = []

    def one(number: int) -> None:
        barrier.wait()
        try:
            taken[number].run()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(taken))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []
    for job in taken:
        job.end()
    assert {chain.status(one) for one in several} == {Status.DONE}
    assert len(chain.rows(Result)) == 1
    assert len(chain.rows(SegmentRow)) == 3
    assert chain.traces() == []


@pytest.mark.every_backend
def test_who_cancels_while_the_result_is_recorded_is_not_told_wrong(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes)
    embedded(chain)
    taken = chain.take(FINISH_QUEUE)
    finishing = threading.Thread(target=taken.run)
    with chain.stores.database.begin() as session:
        session.get_one(Submission, (DEFAULT_TENANT, submitted.id)).status = Status.CANCELLED
        session.flush()
        finishing.start()
        if session.get_bind().dialect.name == "postgresql":
            # Until it waits for our row, having read it as it was before.
            waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            wait_for(lambda: session.scalar(waiting))
    finishing.join()
    assert chain.status(submitted) == Status.CANCELLED


def test_repair_finds_nothing_to_do_while_workers_run(chain: Chain, three_scenes: Path) -> None:
    submitted = [chain.submit(three_scenes), chain.submit(three_scenes)]
    stop, found = threading.Event(), []

    def repair_all_the_time() -> None:
        while not stop.is_set():
            found.append(chain.repair().lost)

    repairing = threading.Thread(target=repair_all_the_time)
    repairing.start()
    chain.run()
    stop.set()
    repairing.join()
    assert len(found) > 3
    assert set(found) == {()}
    assert {chain.status(one) for one in submitted} == {Status.DONE}
    assert sum(chain.encoder.batches) == 150


def committed(chain: Chain) -> list[list[object]]:
    """Every row of what jobs write, as values."""
    return [
        [{name: value for name, value in vars(row).items() if name[0] != "_"} for row in rows]
        for rows in (
            chain.rows(Sampling),
            chain.rows(Embedding),
            chain.rows(Result),
            chain.rows(SegmentRow),
        )
    ]
