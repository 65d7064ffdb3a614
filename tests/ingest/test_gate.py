"""The gate: whoever ends the last job of a work, and only then, may finish it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ingest.errors import JobRefused
from ingest.queue.gate import Gate, Progress
from ingest.queue.payloads import EmbedJob, Work
from ingest.stores import Stores

WORK = Work(
    tenant="default",
    media_sha256="a" * 64,
    sampling_key="fps-2.centre-224-bicubic",
    model_key="0123456789abcdef",
)


def all_at_once(count: int, act: Callable[[int], object]) -> None:
    """Call `act` with each number in a thread of its own, all at the same time."""
    together = threading.Barrier(count)

    def run(number: int) -> None:
        together.wait()
        act(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_work_ends_with_its_last_job_whatever_the_order(stores: Stores) -> None:
    gate = Gate(stores.redis, WORK)
    gate.open(["sample"])
    gate.open(["chunk-0"])
    assert not gate.close(["chunk-0"])
    gate.open(["chunk-1"])
    assert not gate.close(["sample"])
    assert gate.pending() == ("chunk-1",)
    assert gate.close(["chunk-1"])


def test_closing_again_gives_the_same_answer(stores: Stores) -> None:
    gate = Gate(stores.redis, WORK)
    gate.open(["chunk-0"])
    assert gate.close(["chunk-0"])
    assert gate.close(["chunk-0"])


def test_of_many_closers_at_once_exactly_one_is_last(stores: Stores) -> None:
    gate = Gate(stores.redis, WORK)
    jobs = [f"chunk-{number}" for number in range(200)]
    gate.open(jobs)
    last: list[str] = []

    def close(number: int) -> None:
        last.extend(job for job in jobs[number::8] if gate.close([job]))

    all_at_once(8, close)
    assert len(last) == 1


def test_of_many_who_join_at_once_exactly_one_is_first(stores: Stores) -> None:
    gate = Gate(stores.redis, WORK)
    first: list[int] = []

    def join(number: int) -> None:
        if gate.join(f"submission-{number}", "sample"):
            first.append(number)

    all_at_once(16, join)
    assert len(first) == 1
    assert len(gate.waiting()) == 16
    assert gate.pending() == ("sample",)


def test_who_joins_when_all_jobs_have_ended_is_first_again(stores: Stores) -> None:
    gate = Gate(stores.redis, WORK)
    assert gate.join("a", "sample")
    assert not gate.join("b", "sample")
    assert gate.close(["sample"])
    assert gate.join("c", "sample")


def test_the_last_who_leaves_takes_everything_along(stores: Stores) -> None:
    gate = Gate(stores.redis, WORK)
    gate.join("b", "sample")
    gate.join("a", "sample")
    gate.note_sampled(0, 64)
    assert gate.waiting() == ("a", "b")
    assert gate.leave("b") == 1
    assert gate.leave("b") == 1
    assert gate.is_awaited()
    assert gate.pending() == ("sample",)
    assert gate.leave("a") == 0
    assert not gate.is_awaited()
    assert stores.redis.keys("*") == []


def test_of_many_who_leave_at_once_exactly_one_is_last(stores: Stores) -> None:
    gate = Gate(stores.redis, WORK)
    for number in range(16):
        gate.join(f"submission-{number}", "sample")
    left: list[int] = []
    all_at_once(16, lambda number: left.append(gate.leave(f"submission-{number}")))
    assert sorted(left) == list(range(16))


def test_progress_counts_each_chunk_once(stores: Stores) -> None:
    gate = Gate(stores.redis, WORK)
    assert gate.progress() == Progress(sampled=0, embedded=0, estimated=None)
    gate.expect(100)
    for _ in range(2):
        gate.note_sampled(0, 64)
        gate.note_sampled(1, 6)
        gate.note_embedded(0, 64)
    assert gate.progress() == Progress(sampled=70, embedded=64, estimated=100)
    gate.expect(None)
    assert gate.progress().estimated is None


def test_a_sampling_that_is_done_again_is_counted_apart(stores: Stores) -> None:
    gate = Gate(stores.redis, WORK)
    assert [gate.note_resampled(), gate.note_resampled()] == [1, 2]
    assert gate.progress() == Progress(sampled=0, embedded=0, estimated=None)


def test_the_rate_counts_from_the_first_chunk_on(stores: Stores) -> None:
    gate = Gate(stores.redis, WORK)
    gate.note_sampled(0, 64)
    gate.note_begun()
    began = stores.redis.hget(f"clipwarden:progress:{WORK.id}", "began_ms")
    gate.note_begun()
    assert stores.redis.hget(f"clipwarden:progress:{WORK.id}", "began_ms") == began
    assert gate.progress().elapsed_s is not None


@pytest.mark.parametrize(
    ("progress", "rate", "left_s"),
    [
        (Progress(sampled=64, embedded=20, estimated=100, elapsed_s=10.0), 2.0, 40.0),
        # More was sampled than expected.
        (Progress(sampled=140, embedded=20, estimated=100, elapsed_s=10.0), 2.0, 60.0),
        (Progress(sampled=64, embedded=20, estimated=None, elapsed_s=10.0), 2.0, None),
        (Progress(sampled=64, embedded=0, estimated=100, elapsed_s=10.0), None, None),
        (Progress(sampled=64, embedded=20, estimated=100), None, None),
    ],
)
def test_rate_and_time_left_follow_from_the_progress(
    progress: Progress, rate: float | None, left_s: float | None
) -> None:
    assert progress.rate == rate
    assert progress.left_s == left_s


def test_works_that_differ_in_anything_have_different_ids() -> None:
    others = [
        WORK.model_copy(update=change)
        for change in (
            {"tenant": "other"},
            {"media_sha256": "b" * 64},
            {"sampling_key": "fps-1.centre-224-bicubic"},
            {"model_key": "f" * 16},
        )
    ]
    assert len({work.id for work in [WORK, *others]}) == 5


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "clipwarden.job/2"},
        {"chunk": -1},
        {"pixels_sha256": "short"},
        {"attempt": "../../x"},
        {"surprise": 1},
        {"work": {"tenant": "../x"}},
    ],
)
def test_a_malformed_payload_is_refused(change: dict[str, object]) -> None:
    job = EmbedJob(work=WORK, attempt="0" * 8, chunk=0, frames=1, pixels_sha256="c" * 64)
    assert EmbedJob.from_args(job.to_args()) == job
    with pytest.raises(JobRefused, match="EmbedJob"):
        EmbedJob.from_args(job.to_args() | change)
