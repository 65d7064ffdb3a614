"""The keeper gives up what no worker survives, and one failing task does not stop the others."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ingest.errors import DatabaseLocked, JobRefused
from ingest.queue.attempts import FAILURE_BUDGET, LAPSE_BUDGET
from ingest.queue.leases import begin, counted
from ingest.queue.names import FINISH_QUEUE
from ingest.queue.presence import read_presences
from ingest.queue.reaper import Reaper
from ingest.settings import StoreSettings
from ingest.tables import Status
from tests.clipwarden.command import wait_for
from tests.worker.chain import EMBED_QUEUE, SAMPLE_QUEUE, TEXT_QUEUE, Chain
from tests.worker.fake_encoder import FakeEncoder
from worker.keeper import Task, handlers_for_lapses, keep, role_of, tasks_of
from worker.settings import Duty, KeeperSettings, Retention

STAGES = {"sample": SAMPLE_QUEUE, "embed": EMBED_QUEUE, "finish": FINISH_QUEUE}


def lapse(chain: Chain, queue: str, reaper: Reaper) -> None:
    """Let a worker take the next job and die, and let its lease run out."""
    if chain.release_retries():
        # Of several chunks the same again.
        key = f"rq:queue:{queue}"
        chain.stores.redis.lmove(key, key, "RIGHT", "LEFT")
    taken = chain.take(queue)
    begin(chain.stores.redis, taken.lease)
    wip = f"rq:wip:{queue}"
    chain.stores.redis.zadd(wip, {taken.lease.member: 1})

    def is_reaped() -> bool:
        # After an answer that took a second, as on a busy machine, it waits a lease's time.
        reaper.reap()
        return chain.stores.redis.zscore(wip, taken.lease.member) is None

    wait_for(is_reaped)


def reach(chain: Chain, stage: str) -> None:
    if stage != "sample":
        chain.sample()
        chain.embed(max_jobs=1 if stage == "embed" else None)


@pytest.mark.parametrize("stage", STAGES)
def test_the_51st_death_of_a_worker_gives_the_video_up_and_the_50th_does_not(
    chain: Chain, three_scenes: Path, stage: str
) -> None:
    submitted = chain.submit(three_scenes)
    reach(chain, stage)
    reaper = Reaper(chain.stores.redis, handlers_for_lapses(chain.stores))
    for _ in range(LAPSE_BUDGET):
        lapse(chain, STAGES[stage], reaper)
    assert chain.status(submitted) == Status.QUEUED
    lapse(chain, STAGES[stage], reaper)
    row = chain.submission(submitted)
    assert (row.status, row.error_code) == (Status.FAILED, "queue.job_lapsed")
    assert f"{LAPSE_BUDGET + 1} times" in str(row.error_message)
    assert chain.payloads(STAGES[stage])[:1] == [] or stage == "embed"
    chain.run()
    assert chain.pixels() == []
    # It can be tried again: a job that was given up is no hindrance.
    assert chain.analyze(three_scenes).status == "done"


def test_a_video_that_lapsed_as_often_as_it_may_still_ends_well(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes)
    reaper = Reaper(chain.stores.redis, handlers_for_lapses(chain.stores))
    for _ in range(LAPSE_BUDGET):
        lapse(chain, SAMPLE_QUEUE, reaper)
    chain.release_retries()
    chain.run()
    assert chain.status(submitted) == Status.DONE


def test_failures_are_counted_apart_from_deaths(chain: Chain, three_scenes: Path) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    chain.embed(max_jobs=1)  # the texts
    chain.deliver(EMBED_QUEUE, "clipwarden.embed", chain.payloads(EMBED_QUEUE)[:1])
    reaper = Reaper(chain.stores.redis, handlers_for_lapses(chain.stores))
    chain.encoder = FakeEncoder(failures=FAILURE_BUDGET)
    for round_ in range(1, FAILURE_BUDGET + 1):
        for _ in range(3):
            lapse(chain, EMBED_QUEUE, reaper)
        chain.release_retries()
        job_id = chain.take(EMBED_QUEUE).job.id
        chain.lose_workers()
        chain.embed()
        assert counted(chain.stores.redis, job_id) == (round_, 3 * round_)
        chain.release_retries()
    assert chain.status(submitted) == Status.QUEUED
    chain.embed()
    assert sum(chain.encoder.batches[FAILURE_BUDGET:]) == 64


def test_texts_that_no_worker_survives_fail_who_waits_for_them(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes)
    reaper = Reaper(chain.stores.redis, handlers_for_lapses(chain.stores))
    for _ in range(LAPSE_BUDGET + 1):
        lapse(chain, TEXT_QUEUE, reaper)
    assert chain.status(submitted) == Status.QUEUED
    chain.run()
    assert chain.submission(submitted).error_code == "worker.text_vectors_unavailable"


@pytest.mark.parametrize("kind", ["clipwarden.sample", "clipwarden.finish"])
def test_what_a_keeper_can_not_read_is_refused(chain: Chain, kind: str) -> None:
    with pytest.raises(JobRefused):
        handlers_for_lapses(chain.stores)[kind].give_up({}, JobRefused("No.", "No."))


@pytest.mark.parametrize(
    "failure", [DatabaseLocked("Locked.", "Wait."), JobRefused("No.", "No."), ValueError("oops")]
)
def test_a_task_that_fails_keeps_no_other_from_being_done(failure: Exception) -> None:
    stop, calls = threading.Event(), {"bad": 0, "good": 0}

    def bad() -> None:
        calls["bad"] += 1
        raise failure

    def good() -> None:
        calls["good"] += 1

    tasks = [Task("bad", 0.0, bad), Task("good", 0.0, good), Task("rare", 3600.0, good)]
    keeping = threading.Thread(target=keep, args=(tasks, stop))
    keeping.start()
    wait_for(lambda: calls["bad"] >= 2 and calls["good"] >= 3)
    stop.set()
    keeping.join()


def test_a_task_that_takes_long_keeps_no_other_from_being_done() -> None:
    stop, others, counts = threading.Event(), threading.Event(), iter(range(100))

    def quick() -> None:
        if next(counts) == 2:
            others.set()

    tasks = [Task("long", 3600.0, others.wait), Task("quick", 0.0, quick)]
    keeping = threading.Thread(target=keep, args=(tasks, stop))
    keeping.start()
    wait_for(others.is_set)
    stop.set()
    keeping.join()


@pytest.mark.parametrize(
    ("duties", "role", "names"),
    [
        ((Duty.REAP,), "reaper", ["presence", "reap"]),
        (
            (Duty.SCHEDULE,),
            "scheduler",
            ["presence", "release", "forget", "repair", "retention", "sweep", "sweep partial"],
        ),
        (
            tuple(Duty),
            "keeper",
            [
                "presence",
                "reap",
                "release",
                "forget",
                "repair",
                "retention",
                "sweep",
                "sweep partial",
            ],
        ),
    ],
)
def test_a_keeper_has_the_tasks_of_its_duties_and_says_who_it_is(
    chain: Chain,
    store_settings: StoreSettings,
    duties: tuple[Duty, ...],
    role: str,
    names: list[str],
) -> None:
    settings = KeeperSettings(stores=store_settings, host="here", duties=duties)
    tasks = tasks_of(settings, chain.stores)
    assert [task.name for task in tasks] == names
    assert role_of(settings) == role
    for task in tasks:
        task.run()
    [presence] = read_presences(chain.stores.redis)
    assert (presence.role, presence.host) == (role, "here")


def test_a_keeper_brings_back_what_was_lost_and_deletes_what_is_old(
    chain: Chain, store_settings: StoreSettings, three_scenes: Path
) -> None:
    settings = KeeperSettings(
        stores=store_settings, host="here", retention=Retention(results_s=0.0)
    )
    tasks = {task.name: task for task in tasks_of(settings, chain.stores)}
    submitted = chain.submit(three_scenes)
    chain.stores.redis.flushall()
    tasks["repair"].run()
    tasks["retention"].run()
    chain.sample()
    tasks["sweep"].run()
    chain.embed()
    chain.finish()
    chain.release_retries()
    tasks["release"].run()
    chain.run()
    assert chain.status(submitted) == Status.DONE
    assert sum(chain.encoder.batches) == 150
    tasks["retention"].run()
    assert chain.blobs_under("default/scores") == []
