"""The gate: whoever closes the last member of a work, and only then, may finish it."""

from __future__ import annotations

import threading

import pytest

from ingest.errors import JobRefused
from ingest.queue.gate import SAMPLING, Gate, Progress, chunk_member
from ingest.queue.payloads import EmbedJob, Work
from ingest.stores import Stores

WORK = Work(
    tenant="default",
    media_sha256="a" * 64,
    sampling_key="fps-2.centre-224-bicubic",
    model_key="0123456789abcdef",
)


def test_the_work_ends_with_its_last_member_whatever_the_order(stores: Stores) -> None:
    gate = Gate(stores.redis, WORK)
    gate.open([SAMPLING])
    gate.open([chunk_member(0)])
    assert not gate.close([chunk_member(0)])
    gate.open([chunk_member(1)])
    assert not gate.close([SAMPLING])
    assert gate.close([chunk_member(1)])


def test_closing_again_gives_the_same_answer(stores: Stores) -> None:
    gate = Gate(stores.redis, WORK)
    gate.open([chunk_member(0)])
    assert gate.close([chunk_member(0)])
    assert gate.close([chunk_member(0)])


def test_of_many_closers_at_once_exactly_one_is_last(stores: Stores) -> None:
    gate = Gate(stores.redis, WORK)
    members = [chunk_member(number) for number in range(200)]
    gate.open(members)
    last: list[str] = []

    def close(mine: list[str]) -> None:
        last.extend(member for member in mine if gate.close([member]))

    threads = [threading.Thread(target=close, args=(members[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(last) == 1


def test_waiting_submissions_come_and_go(stores: Stores) -> None:
    gate = Gate(stores.redis, WORK)
    gate.join("b")
    gate.join("a")
    assert gate.waiting() == ("a", "b")
    gate.leave("b")
    assert gate.waiting() == ("a",)


@pytest.mark.parametrize("estimated", [None, 0, 7])
def test_progress_counts_frames(stores: Stores, estimated: int | None) -> None:
    gate = Gate(stores.redis, WORK)
    assert gate.progress() == Progress(sampled=0, embedded=0, estimated=None)
    gate.start_progress(estimated)
    gate.count(sampled=64)
    gate.count(embedded=3)
    assert gate.progress() == Progress(sampled=64, embedded=3, estimated=estimated)


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
