"""Worker processes: restarted with patience, given up in time, and started without secrets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from clipwarden import processes
from clipwarden.errors import WorkerFailed
from clipwarden.processes import Role, WorkerProcesses, interrupts_held
from ingest.settings import ProcessSettings, StoreSettings
from tests.clipwarden.command import wait_for


def finisher(stores: StoreSettings) -> Role:
    return Role("finish", "worker.finisher", ProcessSettings(stores=stores))


def doomed(stores: StoreSettings) -> Role:
    """A role whose process dies as soon as it starts."""
    return Role("embed", "worker.no_such_module", ProcessSettings(stores=stores))


def started() -> list[psutil.Process]:
    """The workers among this process's children, with dead ones that nobody waited for."""
    return [child for child in psutil.Process().children() if child.name().startswith("python")]


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
    store_settings: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_RESTARTS_WINDOW_S", 0.0)
    role = doomed(store_settings)
    with WorkerProcesses([role], tmp_path) as workers:
        [process] = started()
        pids = {process.pid}
        for _ in range(8):
            process = successor(workers, process)
            pids.add(process.pid)
        assert len(pids) == 9


def test_a_process_that_keeps_dying_is_given_up_with_its_log_named(
    store_settings: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_BACKOFF_S", 0.05)
    role = doomed(store_settings)
    with WorkerProcesses([role], tmp_path) as workers, pytest.raises(WorkerFailed) as caught:
        wait_for(workers.check)
    assert caught.value.message == (
        "the embed process died 4 times within 10 minutes, at last with status 1."
    )
    assert str(tmp_path / "embed.log") in caught.value.cure
    assert (tmp_path / "embed.log").read_text().count("No module named") == 4
    assert started() == []


def test_the_second_restart_waits_and_keeps_nobody_waiting(
    store_settings: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_BACKOFF_S", 3600.0)
    role = doomed(store_settings)
    with WorkerProcesses([role], tmp_path) as workers:
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
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "REDIS_URL"):
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
        "from clipwarden.processes import Role, WorkerProcesses\n"
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
        "            time.sleep(10)\n"
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
