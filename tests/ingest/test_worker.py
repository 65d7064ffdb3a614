"""Worker processes that are stopped, killed, frozen, starved and cut off: no job is lost by it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from rq.command import send_stop_job_command
from rq.job import JobStatus
from rq.serializers import JSONSerializer
from rq.utils import as_text

from ingest.queue.ahead import Ahead
from ingest.queue.enqueueing import job_has_failed
from ingest.queue.leases import counted, withdraw
from ingest.queue.meters import Meter, read_meters
from ingest.queue.presence import Presence, State, read_presences
from ingest.queue.process import EXIT_RECYCLED
from ingest.queue.pulse import EXIT_HUNG
from ingest.settings import WorkerLimits
from tests.ingest.queue_bench import (
    Bench,
    MortalServer,
    WorkerProcess,
    bench_on,
    keeping,
    leases_of,
    store_settings_on,
    wait_for,
)

# "Back within 15 s" of a worker's death is the product's promise.
PROMISE_S = 15.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalServer]:
    server = MortalServer(tmp_path_factory.mktemp("mortal"))
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def bench(server: MortalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    with bench_on(store_settings_on(server.url, folder / "data"), folder) as bench:
        yield bench


@pytest.fixture(scope="module")
def worker(bench: Bench) -> WorkerProcess:
    """A worker of the queue `jobs` that is alive after each test that uses it."""
    worker = bench.start("jobs")
    bench.ready(worker)
    return worker


def status_of(bench: Bench, name: str) -> str | None:
    status = bench.redis.hget(f"rq:job:{name}", "status")
    return None if status is None else as_text(status)


def presence_of(bench: Bench, worker: WorkerProcess) -> Presence | None:
    return next((one for one in read_presences(bench.redis) if one.pid == worker.pid), None)


def lost_jobs(bench: Bench) -> float:
    return read_meters(bench.redis).get((Meter.JOBS, "lost"), 0.0)


def stop(bench: Bench, name: str) -> None:
    send_stop_job_command(bench.redis, name, serializer=JSONSerializer)


@dataclass(frozen=True)
class Aftermath:
    """What was found after two workers were killed and two frozen in the middle of their jobs."""

    counts_of_killed: tuple[int, int]
    status_after_thaw: str | None
    holders_after_thaw: int
    lost: float
    events: list[str]
    committed: list[str]
    left: list[str]


@pytest.fixture(scope="module")
def aftermath(server: MortalServer, bench: Bench) -> Aftermath:
    for queue, kind, name in (
        ("plain", "work", "killed"),
        ("ahead", "loaded", "first"),
        ("ahead", "loaded", "second"),
        ("frozen", "work", "frozen"),
        ("late", "work", "late"),
    ):
        bench.enqueue(queue, kind, name)
    killed, loading = bench.start("plain"), bench.start("ahead")
    frozen, late = bench.start("frozen", "thaw"), bench.start("late", "thaw")
    bench.ready(killed, loading, frozen, late)
    for event in ("began killed", "began first", "loading second", "began frozen", "began late"):
        bench.wait_for_event(event)
    # One each: which of the leases lapses first is chance, and an heir works on one job at a time.
    heirs = [bench.start(queue) for queue in ("plain", "ahead", "frozen", "late")]
    bench.ready(*heirs)
    lost_before = lost_jobs(bench)
    with keeping(server.url, ["plain", "ahead", "frozen", "late"], {}):
        killed.send(signal.SIGKILL)
        loading.send(signal.SIGKILL)
        frozen.send(signal.SIGSTOP)
        late.send(signal.SIGSTOP)
        bench.wait_for_event("began killed", times=2, timeout_s=PROMISE_S)
        counts = counted(bench.redis, "killed")
        bench.go("killed", "first", "second", "late")
        bench.wait_for_event("ended late")
        bench.wait_for_event("began frozen", times=2)
        # The one's job is under way elsewhere, the other's was committed there.
        frozen.send(signal.SIGCONT)
        late.send(signal.SIGCONT)
        wait_for(lambda: lost_jobs(bench) >= lost_before + 2)
        status, holders = status_of(bench, "frozen"), len(leases_of(bench.redis, "frozen"))
        bench.go("frozen", "thaw-1", "thaw-2")
        for name in ("frozen", "first", "second"):
            bench.wait_for_event(f"ended {name}")
        for name in ("thaw-1", "thaw-2"):
            bench.enqueue("thaw", "work", name)
            bench.wait_for_event(f"ended {name}")
    found = Aftermath(
        counts_of_killed=counts,
        status_after_thaw=status,
        holders_after_thaw=holders,
        lost=lost_jobs(bench) - lost_before,
        events=bench.events(),
        committed=bench.committed(),
        left=[as_text(key) for key in bench.redis.keys("rq:job:*")],
    )
    for process in (frozen, late, *heirs):
        process.send(signal.SIGTERM)
    for process in (frozen, late, *heirs):
        assert process.wait() == 0
    return found


def test_a_killed_worker_s_job_runs_again_within_the_promise_as_a_lapse(
    aftermath: Aftermath,
) -> None:
    assert aftermath.counts_of_killed == (0, 1)
    assert aftermath.committed.count("killed") == 1


def test_the_job_that_a_killed_worker_had_loaded_ahead_runs_too(aftermath: Aftermath) -> None:
    assert aftermath.events.count("began first") == 2
    assert aftermath.events.count("began second") == 1
    assert aftermath.committed.count("first") == aftermath.committed.count("second") == 1


def test_a_worker_that_was_frozen_commits_nothing_that_others_took_over(
    aftermath: Aftermath,
) -> None:
    assert aftermath.events.count("began frozen") == aftermath.events.count("began late") == 2
    assert aftermath.committed.count("frozen") == aftermath.committed.count("late") == 1
    assert aftermath.lost == 2


def test_a_worker_that_was_frozen_leaves_its_successor_s_job_alone(aftermath: Aftermath) -> None:
    assert aftermath.status_after_thaw == JobStatus.STARTED
    assert aftermath.holders_after_thaw == 1


def test_after_deaths_and_frosts_no_job_is_left_and_the_thawed_work_on(
    aftermath: Aftermath,
) -> None:
    assert aftermath.left == []
    assert {"thaw-1", "thaw-2"} <= set(aftermath.committed)


def test_loading_that_hangs_ends_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.queue.ahead._PATIENCE_S", 0.05)
    thaw, ended = threading.Event(), threading.Event()

    def hang() -> None:
        thaw.wait()

    ahead = Ahead(hang, lambda job: job, ended.set)
    ahead.start()
    assert ahead.collect() is None
    assert ended.is_set()
    thaw.set()


def test_loading_overlaps_work(bench: Bench) -> None:
    for name in ("o1", "o2"):
        bench.enqueue("overlap", "loaded", name)
    worker = bench.start("overlap")
    bench.ready(worker)
    # The first ends only after this.
    bench.wait_for_event("loading o2")
    assert "ended o1" not in bench.events()
    bench.go("o1", "o2")
    bench.wait_for_event("ended o2")
    assert bench.committed()[-2:] == ["o1", "o2"]
    assert bench.events().count("loading o2") == 1
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0


def test_a_stopping_worker_lets_a_short_job_end(bench: Bench) -> None:
    worker = bench.start("short")
    bench.ready(worker)
    bench.enqueue("short", "work", "short")
    bench.wait_for_event("began short")
    worker.send(signal.SIGTERM)
    bench.go("short")
    assert worker.wait() == 0
    assert bench.committed()[-1] == "short"
    assert presence_of(bench, worker) is None


def test_a_stopping_worker_hands_back_what_it_holds_uncounted_and_in_order(bench: Bench) -> None:
    for name in ("l1", "l2", "l3"):
        bench.enqueue("long", "loaded", name)
    worker = bench.start("long")
    bench.ready(worker)
    bench.wait_for_event("loading l2")

    def breaks_off_after_another_signal() -> bool:
        worker.send(signal.SIGTERM)
        return worker.logged("breaking off")

    wait_for(breaks_off_after_another_signal)
    while worker.is_alive:
        worker.send(signal.SIGTERM)
        time.sleep(0.05)
    assert worker.wait() == 0
    assert bench.waiting("long") == ["l1", "l2", "l3"]
    assert bench.started("long") == []
    for name in ("l1", "l2", "l3"):
        assert status_of(bench, name) == JobStatus.QUEUED
        assert counted(bench.redis, name) == (0, 0)
        assert withdraw(bench.redis, name)
    assert presence_of(bench, worker) is None


def test_a_running_job_is_stopped_also_where_rq_has_forgotten_the_worker(
    bench: Bench, worker: WorkerProcess
) -> None:
    bench.enqueue("jobs", "work", "unwanted")
    bench.wait_for_event("began unwanted")
    for key in bench.redis.scan_iter("rq:worker:*"):
        bench.redis.delete(key)
    stop(bench, "unwanted")
    wait_for(lambda: status_of(bench, "unwanted") is None)
    assert "unwanted" not in bench.committed()
    assert worker.is_alive


def test_a_job_that_does_not_stop_ends_its_process_and_does_not_run_again(bench: Bench) -> None:
    bench.enqueue("hung", "hang", "hung")
    bench.enqueue("hung", "loaded", "behind")
    worker = bench.start("hung")
    bench.ready(worker)
    bench.wait_for_event("loading behind")
    stop(bench, "hung")
    wait_for(lambda: withdraw(bench.redis, "hung"))
    assert worker.wait() == EXIT_HUNG
    assert status_of(bench, "hung") is None
    assert bench.waiting("hung") == ["behind"]
    assert bench.started("hung") == []
    assert withdraw(bench.redis, "behind")


def test_a_job_that_takes_too_long_is_broken_off_and_tried_again_later(
    server: MortalServer, bench: Bench, worker: WorkerProcess
) -> None:
    bench.enqueue("jobs", "work", "endless", timeout_s=1)
    wait_for(lambda: status_of(bench, "endless") == JobStatus.SCHEDULED)
    assert counted(bench.redis, "endless") == (1, 0)
    assert bench.redis.zscore("rq:scheduled:jobs", "endless") is not None
    bench.go("endless")
    with keeping(server.url, ["jobs"], {}):
        bench.wait_for_event("ended endless")
    assert worker.is_alive


def test_a_pause_stops_the_clock_spends_nothing_and_is_seen(
    bench: Bench, worker: WorkerProcess
) -> None:
    bench.redis.set("shortage", 1)
    bench.enqueue("jobs", "work", "paused", timeout_s=1)
    wait_for(lambda: (one := presence_of(bench, worker)) and one.state is State.PAUSED)
    presence = presence_of(bench, worker)
    assert presence is not None
    assert presence.job_id == "paused"
    # Four tries come after more than its second.
    bench.wait_for_event("began paused", times=4)
    assert status_of(bench, "paused") == JobStatus.STARTED
    assert counted(bench.redis, "paused") == (0, 0)
    bench.redis.delete("shortage")
    bench.go("paused")
    bench.wait_for_event("ended paused")
    assert read_meters(bench.redis)[Meter.PAUSES, "database.locked"] == 1


def test_a_job_fails_for_good_when_its_budget_is_spent_and_is_reported_after_a_shortage(
    bench: Bench, worker: WorkerProcess
) -> None:
    bench.enqueue("jobs", "fail", "failing")
    wait_for(lambda: counted(bench.redis, "failing") == (1, 0))
    assert withdraw(bench.redis, "failing")
    bench.redis.set("shortage", 1)
    # As the job stands before its sixth attempt.
    bench.enqueue("elsewhere", "fail", "doomed")
    bench.redis.hset("rq:job:doomed", "clipwarden_failures", 5)
    bench.redis.rename("rq:queue:elsewhere", "rq:queue:jobs")
    bench.wait_for_event("giving up doomed", times=2)
    assert not job_has_failed(bench.redis, "doomed")
    bench.redis.delete("shortage")
    bench.wait_for_event("gave up with queue.job_failed doomed")
    wait_for(lambda: job_has_failed(bench.redis, "doomed"))
    assert bench.redis.zscore("rq:failed:jobs", "doomed") is not None
    assert counted(bench.redis, "doomed") == (6, 0)
    assert withdraw(bench.redis, "doomed")


def test_an_input_at_fault_is_reported_at_once(bench: Bench, worker: WorkerProcess) -> None:
    bench.enqueue("jobs", "bad", "bad")
    bench.wait_for_event("gave up with media.unreadable bad")
    wait_for(lambda: status_of(bench, "bad") is None)
    assert bench.events().count("began bad") == 1


def test_a_full_server_holds_work_up_but_takes_no_lease_away(
    bench: Bench, worker: WorkerProcess
) -> None:
    bench.enqueue("jobs", "work", "starved")
    bench.wait_for_event("began starved")
    [lease] = leases_of(bench.redis, "jobs")
    before = bench.redis.zscore("rq:wip:jobs", lease.member)
    assert before is not None
    bench.redis.config_set("maxmemory", "1kb")
    try:
        wait_for(lambda: (bench.redis.zscore("rq:wip:jobs", lease.member) or 0.0) > before)
        bench.redis.config_set("maxmemory", "0")
        bench.go("starved")
        bench.redis.config_set("maxmemory", "1kb")
        wait_for(lambda: worker.logged("pausing"))
        assert "starved" not in bench.committed()
    finally:
        bench.redis.config_set("maxmemory", "0")
    bench.wait_for_event("ended starved")
    assert bench.committed().count("starved") == 1
    assert worker.is_alive


def test_a_server_that_dies_and_comes_back_costs_no_job_and_no_worker(
    server: MortalServer, bench: Bench, worker: WorkerProcess
) -> None:
    idle = bench.start("idle")
    bench.ready(idle)
    bench.enqueue("jobs", "work", "survivor")
    bench.wait_for_event("began survivor")
    server.kill()
    # Longer than redis-py's own patience.
    wait_for(lambda: worker.logged("pausing") and idle.logged("waiting for the queue server"))
    server.start()
    bench.go("survivor", "next", "other")
    bench.enqueue("jobs", "work", "next")
    bench.enqueue("idle", "work", "other")
    for name in ("survivor", "next", "other"):
        bench.wait_for_event(f"ended {name}")
        assert bench.committed().count(name) == 1
    assert worker.is_alive
    idle.send(signal.SIGTERM)
    assert idle.wait() == 0


def test_a_worker_makes_way_after_its_jobs_and_loses_none(bench: Bench) -> None:
    bench.go("c1", "c2", "c3")
    for name in ("c1", "c2", "c3"):
        bench.enqueue("capped", "loaded", name)
    for name in ("g1", "g2"):
        bench.enqueue("grown", "grow", name)
    worker = bench.start("capped", limits=WorkerLimits(max_jobs=2))
    grown = bench.start("grown", limits=WorkerLimits(max_rss_growth_mb=16))
    assert worker.wait() == EXIT_RECYCLED
    assert bench.committed()[-2:] == ["c1", "c2"]
    assert bench.waiting("capped") == ["c3"]
    assert grown.wait() == EXIT_RECYCLED
    assert bench.waiting("grown") == ["g2"]
    assert bench.started("capped") == bench.started("grown") == []
    assert withdraw(bench.redis, "c3")
    assert withdraw(bench.redis, "g2")


def test_a_worker_is_present_while_it_lives(bench: Bench, worker: WorkerProcess) -> None:
    wait_for(lambda: (one := presence_of(bench, worker)) and one.state is State.IDLE)
    presence = presence_of(bench, worker)
    assert presence is not None
    assert presence.role == "test"
    assert presence.jobs_done > 0
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert presence_of(bench, worker) is None
