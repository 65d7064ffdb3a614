"""A model that nobody serves costs other videos nothing, and a wait for room costs no time."""

from __future__ import annotations

from pathlib import Path

import pytest
from rq import SimpleWorker

from ingest.queue.backlog import Backlog
from ingest.queue.claims import Claim, Interrupted, Reason, Stopwatch
from ingest.queue.gate import Gate
from ingest.queue.leases import Lease, counted
from ingest.queue.names import Priority
from ingest.queue.payloads import SampleJob
from ingest.room import Room
from ingest.stores import Stores
from tests.clips import constant_times, write_timed
from tests.ingest.sampling_by_hand import (
    HOST,
    MODEL_KEY,
    embed_jobs,
    fill_backlog,
    run_sampler,
    submit_file,
)
from tests.ingest.submitting import SAMPLE_QUEUE, WORK


@pytest.fixture(autouse=True)
def no_commands_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep RQ from listening for commands: ceasing to takes it a second now and then."""
    monkeypatch.setattr(SimpleWorker, "subscribe", lambda _worker: None)


def test_a_video_of_a_model_that_nobody_serves_is_put_off_undecoded(
    stores: Stores, tmp_path: Path
) -> None:
    clip = write_timed(tmp_path / "clip.mp4", constant_times(25, 1.0))
    _, work = submit_file(stores, clip)
    Backlog(stores.redis).add(MODEL_KEY, Priority.NORMAL, "theirs", 2**30)
    run_sampler(stores, max_queued_bytes=1)
    assert embed_jobs(stores) == []
    assert stores.redis.zcard(f"rq:scheduled:{SAMPLE_QUEUE}") == 1
    assert counted(stores.redis, f"sample-{work.id}") == (0, 0)


def test_a_full_backlog_of_another_model_holds_nobody_back(stores: Stores, tmp_path: Path) -> None:
    clip = write_timed(tmp_path / "clip.mp4", constant_times(25, 1.0))
    submit_file(stores, clip)
    Backlog(stores.redis).add("f" * 16, Priority.HIGH, "theirs", 2**30)
    run_sampler(stores, max_queued_bytes=1)
    assert len(embed_jobs(stores)) == 1


def test_who_waits_for_a_model_that_goes_away_makes_way(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.room._AWAY_S", 0.0)
    monkeypatch.setattr("ingest.room._ASK_WHO_SERVES_S", 0.0)
    gate, job = Gate(stores.redis, WORK), SampleJob(work=WORK, priority=Priority.NORMAL)
    gate.join("a" * 32, "sample")
    Backlog(stores.redis).add(WORK.model_key, Priority.NORMAL, "theirs", 2**30)
    with pytest.raises(Interrupted) as caught:
        Room(stores.redis, HOST, max_bytes=1).wait(gate, job, claim_on(stores, Stopwatch()))
    assert caught.value.reason is Reason.POSTPONED
    assert caught.value.delay_s > 1


def test_the_time_of_a_video_that_waits_for_room_stands_still(stores: Stores) -> None:
    fill_backlog(stores)
    gate, job = Gate(stores.redis, WORK), SampleJob(work=WORK, priority=Priority.NORMAL)
    gate.join("a" * 32, "sample")
    watch = Stopwatch()

    class Rooms(Room):
        """Looks at the watch while it waits."""

        def _wait(self, gate: Gate, job: SampleJob) -> bool:
            before = watch.running_s
            Gate(stores.redis, WORK).leave("a" * 32)
            waited = super()._wait(gate, job)
            assert watch.running_s == before
            assert watch.waits_for is None
            return waited

    assert not Rooms(stores.redis, HOST, max_bytes=1).wait(gate, job, claim_on(stores, watch))


def claim_on(stores: Stores, watch: Stopwatch) -> Claim:
    return Claim(stores.redis, Lease("none", "sample", "0"), watch)
