"""Worker processes: restarted with patience, stopped in stages, and started without secrets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from pydantic import BaseModel

from clipwarden import processes, role_logs
from clipwarden.child import Role, Stage
from clipwarden.errors import WorkerFailed, WorkerRefused
from clipwarden.events import Event, What
from clipwarden.interrupts import interrupts_held
from clipwarden.processes import WorkerProcesses
from clipwarden.restarts import FOR_A_RUN, FOR_A_SERVICE, Deaths
from ingest.claiming import claim_blobs
from ingest.settings import ProcessSettings, StoreSettings
from ingest.stores import Stores
from tests.clipwarden.command import wait_for


def finisher(stores: StoreSettings) -> Role:
    return Role("finish", "worker.finisher", ProcessSettings(stores=stores, host="here"))


def doomed(stores: StoreSettings) -> Role:
    """A role whose process dies as soon as it starts."""
    return Role("embed", "worker.no_such_module", ProcessSettings(stores=stores, host="here"))


def scripted(folder: Path, name: str, script: str) -> Role:
    """A role of any behaviour: a module of its own, as workers are, without any settings."""
    (folder / f"{name}.py").write_text(script)
    return Role(name.replace("_", "-"), name, NoSettings())


class NoSettings(BaseModel):
    """What a scripted process does not read."""


@pytest.fixture(autouse=True)
def installed(stores: Stores) -> None:
    """Prepare database and blob store: a worker joins no installation that is not there."""


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules child processes find."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    return folder


def started() -> list[psutil.Process]:
    """The workers among this process's children, with dead ones that nobody waited for."""
    children = psutil.Process().children()
    return [one for one in children if one.name().startswith("python") and not is_s3_server(one)]


def is_s3_server(process: psutil.Process) -> bool:
    """Whether it is the one that serves blobs to all tests of the session."""
    try:
        return "moto.server" in process.cmdline()
    except psutil.ZombieProcess:
        return False


def await_death(process: psutil.Process) -> None:
    wait_for(lambda: process.status() == psutil.STATUS_ZOMBIE)


def successor(workers: WorkerProcesses, dead: psutil.Process) -> psutil.Process:
    """Check until a dead process has been replaced: threads of it may outlive its zombie."""

    def others() -> list[psutil.Process]:
        workers.check()
        return [process for process in started() if process.pid != dead.pid]

    [process] = wait_for(others)
    return process


def test_deaths_that_lie_far_apart_never_end_a_run(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    role = doomed(store_settings)
    with WorkerProcesses([role], tmp_path, replace(FOR_A_RUN, window_s=0.0)) as workers:
        [process] = started()
        pids = {process.pid}
        for _ in range(8):
            process = successor(workers, process)
            pids.add(process.pid)
        assert len(pids) == 9


def test_a_process_that_keeps_dying_is_given_up_with_its_log_named(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    role = doomed(store_settings)
    policy = replace(FOR_A_RUN, backoff_s=0.05)
    with (
        pytest.raises(WorkerFailed) as caught,
        WorkerProcesses([role], tmp_path, policy) as workers,
    ):
        wait_for(workers.check)
    assert caught.value.message == (
        "the embed process died 4 times within 10 minutes, at last with status 1."
    )
    assert str(tmp_path / "embed.log") in caught.value.cure
    assert (tmp_path / "embed.log").read_text().count("No module named") == 4
    assert started() == []


def test_the_second_restart_waits_and_keeps_nobody_waiting(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    role = doomed(store_settings)
    policy = replace(FOR_A_RUN, backoff_s=3600.0, max_backoff_s=3600.0)
    with WorkerProcesses([role], tmp_path, policy) as workers:
        [first] = started()
        second = successor(workers, first)
        await_death(second)
        for _ in range(3):
            workers.check()
            assert started() == []
        assert not workers.all_ready()


def test_a_killed_worker_is_back_and_takes_jobs(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    role = finisher(store_settings)
    with WorkerProcesses([role], tmp_path) as workers:
        wait_for(workers.all_ready)
        [first] = started()
        first.kill()
        second = successor(workers, first)
        wait_for(workers.all_ready)
        assert second.is_running()
    assert not second.is_running()


def test_workers_get_what_the_blob_store_needs_and_no_other_secret(
    store_settings: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "REDIS_URL", "CLIPWARDEN_DATABASE_URL")
    for name in secrets:
        monkeypatch.setenv(name, "sesame")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "for the store")
    role = finisher(store_settings)
    with WorkerProcesses([role], tmp_path):
        [child] = started()
        environment = child.environ()
    assert "sesame" not in environment.values()
    assert environment["AWS_SECRET_ACCESS_KEY"] == "for the store"


def test_a_log_that_can_not_be_written_is_one_clear_error_and_ends_the_others(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    (tmp_path / "embed.log").mkdir()
    roles = [finisher(store_settings), doomed(store_settings)]
    with (
        pytest.raises(WorkerFailed, match=r"embed\.log: Is a directory"),
        WorkerProcesses(roles, tmp_path),
    ):
        pass
    assert started() == []


def test_an_interpreter_that_is_gone_is_one_clear_error(
    store_settings: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with (
        pytest.raises(WorkerFailed, match="/python: No such file"),
        WorkerProcesses([finisher(store_settings)], tmp_path),
    ):
        pass


def test_workers_start_where_the_current_folder_is_gone(
    store_settings: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with WorkerProcesses([finisher(store_settings)], tmp_path) as workers:
        wait_for(workers.all_ready)
        workers.check()


def test_an_interrupt_at_any_time_leaves_no_worker(tmp_path: Path) -> None:
    script = (
        "import json, os, random, signal, sys, threading, time\n"
        "from pathlib import Path\n"
        "import psutil\n"
        "from clipwarden.child import Role\n"
        "from clipwarden.processes import WorkerProcesses\n"
        "from ingest.settings import StoreSettings\n"
        "stores = StoreSettings(redis_url='redis://x', database_url='x', blob_url='x')\n"
        "roles = [Role(name, 'worker.finisher', stores) for name in ('a', 'b')]\n"
        "interrupts, left = 0, []\n"
        "for _ in range(20):\n"
        "    interrupt = threading.Timer(\n"
        "        random.uniform(0, 0.02), os.kill, (os.getpid(), signal.SIGINT))\n"
        "    try:\n"
        "        interrupt.start()\n"
        "        with WorkerProcesses(roles, Path(sys.argv[1])):\n"
        # Short ones: a signal that another thread received interrupts no sleep of the main one.
        "            for _ in range(1000):\n"
        "                time.sleep(0.01)\n"
        "    except KeyboardInterrupt:\n"
        "        interrupts += 1\n"
        "    left += [child.pid for child in psutil.Process().children()]\n"
        "print(json.dumps([interrupts, left]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [20, []]


def test_an_interrupt_that_is_held_comes_at_the_end_of_the_block() -> None:
    steps = []

    def interrupted() -> None:
        with interrupts_held():
            os.kill(os.getpid(), signal.SIGINT)
            steps.append("went on")
        steps.append("never")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert steps == ["went on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


READY = "import json; print(json.dumps({'ready': True}), flush=True)\n"
UNTIL_TOLD = "import threading; threading.Event().wait()\n"
RECYCLED = "import sys; sys.exit(75)\n"


def refusing(code: str) -> str:
    words = {"ready": False, "code": code, "message": "no.", "cure": "Do this."}
    return f"import json; print({json.dumps(json.dumps(words))}, flush=True); raise SystemExit(1)\n"


def checked_until(workers: WorkerProcesses, condition: Callable[[], bool]) -> None:
    """Check, as a supervisor does, until something has happened."""

    def happened() -> bool:
        workers.check()
        return condition()

    wait_for(happened)


def of_kind(events: list[Event], what: What) -> list[Event]:
    return [event for event in events if event.what is what]


def test_a_service_waits_0_1_2_4_seconds_and_never_more_than_30() -> None:
    deaths = Deaths(FOR_A_SERVICE)
    delays = [FOR_A_SERVICE.delay_s(deaths.add(float(now_s), lived_s=1.0)) for now_s in range(40)]
    assert delays[:8] == [0, 1, 2, 4, 8, 16, 30, 30]
    assert delays[-1] == 30
    assert not deaths.are_too_many


def test_a_process_that_lived_for_a_minute_has_earlier_deaths_forgotten() -> None:
    deaths = Deaths(FOR_A_SERVICE)
    for now_s in range(5):
        deaths.add(float(now_s), lived_s=1.0)
    assert FOR_A_SERVICE.delay_s(deaths.add(100.0, lived_s=61.0)) == 0
    assert FOR_A_SERVICE.delay_s(deaths.add(101.0, lived_s=1.0)) == 1


def test_a_service_never_gives_up_a_process_that_keeps_dying(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    events: list[Event] = []
    policy = replace(FOR_A_SERVICE, backoff_s=0.01)
    with WorkerProcesses([doomed(store_settings)], tmp_path, policy, events.append) as workers:
        checked_until(workers, lambda: len(of_kind(events, What.DIED)) == 6)
    assert {event.status for event in of_kind(events, What.DIED)} == {1}
    assert len(of_kind(events, What.STARTED)) >= 6


def test_a_process_that_did_its_share_is_followed_at_once_and_counts_as_no_death(
    scripts: Path, tmp_path: Path
) -> None:
    events: list[Event] = []
    role = scripted(scripts, "recycling", READY + RECYCLED)
    # Any death would end this run.
    policy = replace(FOR_A_RUN, max_restarts=0)
    with WorkerProcesses([role], tmp_path, policy, events.append) as workers:
        checked_until(workers, lambda: len(of_kind(events, What.RECYCLED)) == 5)
    assert of_kind(events, What.DIED) == []


def test_a_process_that_ends_like_that_before_it_was_ready_is_dead(
    scripts: Path, tmp_path: Path
) -> None:
    role = scripted(scripts, "never_ready", RECYCLED)
    policy = replace(FOR_A_RUN, max_restarts=0)
    with (
        pytest.raises(WorkerFailed, match="status 75"),
        WorkerProcesses([role], tmp_path, policy) as workers,
    ):
        wait_for(workers.check)


@pytest.mark.parametrize("code", ["queue.unavailable", "database.full", "blob.store_unavailable"])
def test_a_service_waits_out_an_outage_that_keeps_a_process_from_starting(
    scripts: Path, tmp_path: Path, code: str
) -> None:
    events: list[Event] = []
    role = scripted(scripts, "out_of_touch", refusing(code))
    policy = replace(FOR_A_SERVICE, backoff_s=0.01)
    with WorkerProcesses([role], tmp_path, policy, events.append) as workers:
        checked_until(workers, lambda: len(of_kind(events, What.REFUSED)) == 3)
    [refusal] = {event.error for event in of_kind(events, What.REFUSED)[:1]}
    assert isinstance(refusal, WorkerRefused)
    assert refusal.worker_code == code


@pytest.mark.parametrize("code", ["device.unavailable", "model.unsupported", "queue.taken"])
def test_a_service_ends_where_a_process_can_not_work_and_never_could(
    scripts: Path, tmp_path: Path, code: str
) -> None:
    role = scripted(scripts, "unfit", refusing(code))
    with (
        pytest.raises(WorkerRefused, match=r"Do this\.") as caught,
        WorkerProcesses([role], tmp_path, FOR_A_SERVICE) as workers,
    ):
        wait_for(workers.check)
    assert caught.value.worker_code == code


def test_a_service_tries_again_later_where_a_process_could_work_before(
    scripts: Path, tmp_path: Path
) -> None:
    events: list[Event] = []
    mark = tmp_path / "was here"
    first_time = (
        f"from pathlib import Path; mark = Path({str(mark)!r})\n"
        "if not mark.exists():\n"
        "    mark.touch()\n"
        f"    {READY}"
        "    raise SystemExit(1)\n"
    )
    role = scripted(scripts, "card_gone", first_time + refusing("device.unavailable"))
    with WorkerProcesses([role], tmp_path, FOR_A_SERVICE, events.append) as workers:
        checked_until(workers, lambda: bool(of_kind(events, What.REFUSED)))
        workers.check()
        assert started() == []
    [refusal] = of_kind(events, What.REFUSED)
    assert refusal.restart_in_s == 30
    assert refusal.error is not None
    assert "Do this." in refusal.error.cure


def test_stages_are_stopped_one_after_the_other(scripts: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    idle = scripted(scripts, "idle", READY + UNTIL_TOLD)
    names = {"api": Stage.ANSWER, "reaper": Stage.KEEP, "embed-0": Stage.WORK, "finish": Stage.WORK}
    roles = [replace(idle, name=name, stage=stage) for name, stage in names.items()]
    with WorkerProcesses(roles, tmp_path, FOR_A_SERVICE, events.append) as workers:
        checked_until(workers, workers.all_ready)
    stopped = [event.process for event in of_kind(events, What.STOPPED)]
    assert stopped == ["embed-0", "finish", "reaper", "api"]
    assert started() == []


def test_a_process_that_does_not_end_when_asked_to_is_killed(
    scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_STOP_TIMEOUT_S", 0.2)
    events: list[Event] = []
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    role = scripted(scripts, "deaf", deaf + READY + UNTIL_TOLD)
    with WorkerProcesses([role], tmp_path, FOR_A_SERVICE, events.append) as workers:
        checked_until(workers, workers.all_ready)
    [event] = of_kind(events, What.KILLED)
    assert event.status == -signal.SIGKILL
    assert started() == []


def test_what_a_library_prints_is_neither_taken_for_ours_nor_blocks_the_process(
    scripts: Path, tmp_path: Path
) -> None:
    events: list[Event] = []
    chatty = "print('Welcome to a library'); print('{}'); print('[1]')\n"
    flood = "print('x' * 1_000_000)\n"
    role = scripted(scripts, "chatty", chatty + READY + flood + RECYCLED)
    with WorkerProcesses([role], tmp_path, FOR_A_SERVICE, events.append) as workers:
        checked_until(workers, lambda: bool(of_kind(events, What.RECYCLED)))


def test_a_log_that_grows_too_large_moves_aside_while_it_is_written(
    scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(role_logs, "MAX_LOG_BYTES", 1000)
    monkeypatch.setattr(processes, "ROTATION_PERIOD_S", 0.0)
    verbose = (
        "import sys, time\n"
        "for number in range(60):\n"
        "    sys.stderr.write(f'{number:099}\\n'); sys.stderr.flush(); time.sleep(0.01)\n"
    )
    role = scripted(scripts, "verbose", READY + verbose + UNTIL_TOLD)
    log, old = tmp_path / "verbose.log", tmp_path / "verbose.log.1"
    last = f"{59:099}"
    with WorkerProcesses([role], tmp_path) as workers:
        checked_until(
            workers,
            lambda: old.exists() and (last in log.read_text() or last in old.read_text()),
        )
    assert log.stat().st_size < 6000
    # Without O_APPEND the cut would leave a hole of null bytes.
    assert "\0" not in log.read_text()


def test_two_roles_of_one_name_are_a_defect(store_settings: StoreSettings, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two roles of one name"):
        WorkerProcesses([finisher(store_settings), finisher(store_settings)], tmp_path)


def test_settings_reach_the_process_whatever_its_encoding(
    store_settings: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    elsewhere = store_settings.model_copy(update={"blob_url": str(tmp_path / "Gerät")})
    with closing(Stores.open(elsewhere)) as stores:
        claim_blobs(stores)
    with WorkerProcesses([finisher(elsewhere)], tmp_path) as workers:
        checked_until(workers, workers.all_ready)
