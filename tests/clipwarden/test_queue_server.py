"""The embedded queue server: nothing of it is left over, and what it finds damaged it says."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from redis import Redis

from clipwarden import queue_server, queue_socket
from clipwarden.data_folder import DataFolder
from clipwarden.errors import DataFolderUnusable, ServerFailed
from clipwarden.events import Event, What
from clipwarden.queue_server import (
    QueueServer,
    running_server,
    server_binary,
    watched_server,
)
from clipwarden.queue_socket import Answer, ask
from clipwarden.restarts import FOR_A_SERVICE
from tests.clipwarden.command import wait_for


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder.prepare(tmp_path / "data")


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder of its own, with a name short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="cw") as path:
        monkeypatch.setenv("XDG_RUNTIME_DIR", path)
        yield Path(path)


@pytest.fixture
def orphan(folder: DataFolder, runtime: Path) -> Iterator[psutil.Process]:
    """A server whose command was killed."""
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from clipwarden.data_folder import DataFolder\n"
        "from clipwarden.queue_server import running_server\n"
        "with running_server(DataFolder(Path(sys.argv[1]))):\n"
        "    print('up', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, folder.root], stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "up\n"
        [server] = psutil.Process(command.pid).children()
        command.kill()
    yield server
    if server.is_running():
        server.kill()


def kinds(events: Sequence[Event]) -> list[str]:
    return [event.what.value for event in events]


def kill(events: Sequence[Event]) -> None:
    """Kill the server that was started or adopted first, and wait for its end."""
    assert events[0].pid is not None
    process = psutil.Process(events[0].pid)
    process.kill()
    wait_for(lambda: process.status() == psutil.STATUS_ZOMBIE)


def check_until_ready_again(server: QueueServer, events: Sequence[Event]) -> None:
    def is_ready() -> bool:
        server.check()
        return kinds(events).count("ready") == 2

    wait_for(is_ready)


def ping(url: str) -> bool:
    with Redis.from_url(url) as client:
        return bool(client.ping())


def test_an_interrupt_at_any_time_leaves_no_server(folder: DataFolder, runtime: Path) -> None:
    script = (
        "import json, os, random, signal, sys, threading, time\n"
        "from pathlib import Path\n"
        "import psutil\n"
        "from clipwarden.data_folder import DataFolder\n"
        "from clipwarden.queue_server import running_server\n"
        "folder, ups, interrupts, left = DataFolder(Path(sys.argv[1])), 0, 0, []\n"
        "for _ in range(60):\n"
        "    interrupt = threading.Timer(\n"
        "        random.uniform(0, 0.04), os.kill, (os.getpid(), signal.SIGINT))\n"
        "    try:\n"
        "        interrupt.start()\n"
        "        with running_server(folder):\n"
        "            ups += 1\n"
        "            time.sleep(10)\n"
        "    except KeyboardInterrupt:\n"
        "        interrupts += 1\n"
        "    left += [child.name() for child in psutil.Process().children()]\n"
        "print(json.dumps([ups, interrupts, left]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, folder.root], capture_output=True, text=True, check=True
    )
    ups, interrupts, left = json.loads(done.stdout)
    assert left == []
    assert interrupts == 60
    assert ups < 60
    assert list(runtime.iterdir()) == []


def test_an_orphan_is_adopted_from_another_environment_and_ended(
    folder: DataFolder,
    orphan: psutil.Process,
    runtime: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with running_server(folder) as url:
        assert url.startswith(f"unix://{runtime}/")
        assert ping(url)
        assert orphan.is_running()
    assert not orphan.is_running()
    assert list(runtime.iterdir()) == []


def test_the_socket_of_a_killed_server_is_cleaned_up(
    folder: DataFolder, orphan: psutil.Process, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan.kill()
    psutil.wait_procs([orphan])
    assert len(list(runtime.glob("clipwarden-*/queue.sock"))) == 1
    with tempfile.TemporaryDirectory(prefix="cw") as other:
        monkeypatch.setenv("XDG_RUNTIME_DIR", other)
        with running_server(folder) as url:
            assert url.startswith(f"unix://{other}/")
            assert ping(url)
            assert list(runtime.iterdir()) == []
        assert list(Path(other).iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00nonsense",
        b"hello",
        b"queue.sock",
        b"/etc/passwd",
        b"/run\0/queue.sock",
    ],
)
def test_a_damaged_note_of_the_last_socket_is_refused(folder: DataFolder, content: bytes) -> None:
    (folder.queue_folder / "socket").write_bytes(content)
    with pytest.raises(DataFolderUnusable, match="queue/socket is damaged"), running_server(folder):
        pass


def test_a_note_that_is_a_folder_is_refused(folder: DataFolder) -> None:
    (folder.queue_folder / "socket").mkdir()
    with pytest.raises(DataFolderUnusable, match="can't be read"), running_server(folder):
        pass


@pytest.mark.parametrize("content", [b"", b"/nowhere/clipwarden-0-123/queue.sock"])
def test_a_note_of_a_server_long_gone_is_replaced(
    folder: DataFolder, runtime: Path, content: bytes
) -> None:
    (folder.queue_folder / "socket").write_bytes(content)
    with running_server(folder) as url:
        assert ping(url)


def test_a_server_behind_a_link_in_a_shared_folder_is_not_taken_for_ours(
    folder: DataFolder, runtime: Path, queue_server: str
) -> None:
    foreign = Path(queue_server.removeprefix("unix://"))
    (runtime / "clipwarden-link").symlink_to(foreign.parent)
    (folder.queue_folder / "socket").write_text(str(runtime / "clipwarden-link" / foreign.name))
    with running_server(folder) as url:
        assert Path(url.removeprefix("unix://")).parent == folder.socket_folder
    assert ping(queue_server)


def test_a_socket_folder_that_is_not_ours_is_refused(folder: DataFolder, runtime: Path) -> None:
    elsewhere = runtime / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    folder.socket_folder.symlink_to(elsewhere)
    with pytest.raises(ServerFailed, match="it is no folder of yours"), running_server(folder):
        pass
    assert elsewhere.stat().st_mode & 0o777 == 0o755


def test_the_socket_folder_is_closed_to_others(folder: DataFolder, runtime: Path) -> None:
    folder.socket_folder.mkdir(mode=0o755)
    with running_server(folder):
        assert folder.socket_folder.stat().st_mode & 0o777 == 0o700


def test_a_server_that_can_not_be_executed_is_one_clear_error(
    folder: DataFolder, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "valkey-server"
    binary.touch(mode=0o644)
    monkeypatch.setattr(queue_server, "server_binary", lambda: binary)
    with pytest.raises(ServerFailed, match=f"{binary}: Permission denied"), running_server(folder):
        pass
    assert list(runtime.iterdir()) == []


def test_a_server_that_can_not_write_its_log_is_one_clear_error(
    folder: DataFolder, runtime: Path
) -> None:
    (folder.logs / "queue.log").mkdir()
    with pytest.raises(ServerFailed, match="exit status 1"), running_server(folder):
        pass
    assert list(runtime.iterdir()) == []


def test_a_server_starts_where_the_current_folder_is_gone(
    folder: DataFolder, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with running_server(folder) as url:
        assert ping(url)


def test_the_server_gets_nothing_of_the_environment_but_places_and_languages(
    folder: DataFolder, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server writes its title over the environment that the kernel shows, so note it before.
    seen = tmp_path / "environment"
    binary = tmp_path / "valkey-server"
    binary.write_text(
        f"#!{sys.executable}\n"
        "import json, os, pathlib, sys\n"
        f"pathlib.Path({str(seen)!r}).write_text(json.dumps(dict(os.environ)))\n"
        f"os.execv({str(server_binary())!r}, sys.argv)\n"
    )
    binary.chmod(0o755)
    monkeypatch.setattr(queue_server, "server_binary", lambda: binary)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame")
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("LC_CTYPE", "C.UTF-8")
    with running_server(folder) as url:
        assert ping(url)
    environment = json.loads(seen.read_text())
    assert set(environment) <= {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LC_CTYPE", "LC_ALL"}
    assert (environment["PATH"], environment["TZ"]) == (os.environ["PATH"], "UTC")


def test_a_server_that_dies_is_back_with_its_data_at_the_same_place(
    folder: DataFolder, runtime: Path
) -> None:
    events: list[Event] = []
    with watched_server(folder, events.append) as server, Redis.from_url(server.url) as client:
        client.set("job", "kept")
        kill(events)
        check_until_ready_again(server, events)
        assert client.get("job") == b"kept"
        assert events[0].pid != events[3].pid
    assert kinds(events) == ["started", "ready", "died", "started", "ready", "stopped"]
    assert list(runtime.iterdir()) == []


def test_a_server_that_freezes_is_killed_and_back_with_its_data(
    folder: DataFolder, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_server, "_FROZEN_AFTER_S", 2.0)
    monkeypatch.setattr(queue_server, "_LOOK_PERIOD_S", 0.1)
    events: list[Event] = []
    with folder.lock(), watched_server(folder, events.append) as server:
        client = Redis.from_url(server.url)
        client.set("before", "the frost")
        client.waitaof(1, 0, 0)
        client.close()
        [started] = [event.pid for event in events if event.what is What.STARTED]
        assert started is not None
        psutil.Process(started).suspend()

        def is_back() -> bool:
            server.check()
            return [event.what for event in events].count(What.READY) == 2

        wait_for(is_back)
        assert [event.status for event in events if event.what is What.DIED] == [-signal.SIGKILL]
        client = Redis.from_url(server.url)
        assert client.get("before") == b"the frost"
        client.close()


def test_an_adopted_server_that_dies_is_replaced(
    folder: DataFolder, orphan: psutil.Process, runtime: Path
) -> None:
    events: list[Event] = []
    with watched_server(folder, events.append) as server:
        orphan.kill()
        check_until_ready_again(server, events)
        assert ping(server.url)
    assert kinds(events) == ["adopted", "ready", "died", "started", "ready", "stopped"]


def test_a_server_whose_socket_folder_was_cleaned_away_comes_back(
    folder: DataFolder, runtime: Path
) -> None:
    events: list[Event] = []
    with watched_server(folder, events.append) as server:
        kill(events)
        shutil.rmtree(folder.socket_folder)
        check_until_ready_again(server, events)
        assert ping(server.url)


def test_a_server_that_can_not_come_back_is_tried_again_and_again(
    folder: DataFolder, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Event] = []
    policy = replace(FOR_A_SERVICE, backoff_s=0.01)
    with watched_server(folder, events.append, policy) as server:
        with monkeypatch.context() as patch:
            patch.setattr(queue_server, "server_binary", lambda: folder.root / "no server")
            kill(events)
            while kinds(events).count("refused") < 3:
                server.check()
        check_until_ready_again(server, events)
        assert ping(server.url)


def test_an_orphan_that_was_frozen_is_ended_and_replaced(
    folder: DataFolder,
    orphan: psutil.Process,
    runtime: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queue_server, "_PATIENCE_S", 0.5)
    monkeypatch.setattr(queue_socket, "_REPLY_TIMEOUT_S", 0.2)
    orphan.suspend()
    events: list[Event] = []
    with watched_server(folder, events.append) as server:
        assert ping(server.url)
        psutil.wait_procs([orphan], timeout=10)
        assert not orphan.is_running()
    assert kinds(events) == ["killed", "started", "ready", "stopped"]
    assert events[0].pid == orphan.pid


def test_a_frozen_orphan_with_a_full_queue_of_callers_is_not_taken_for_dead(
    folder: DataFolder,
    orphan: psutil.Process,
    runtime: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queue_server, "_PATIENCE_S", 0.5)
    monkeypatch.setattr(queue_socket, "_REPLY_TIMEOUT_S", 0.2)
    orphan.suspend()
    callers = []
    path = (folder.queue_folder / "socket").read_text()
    with contextlib.suppress(BlockingIOError):
        for _ in range(5000):
            caller = socket.socket(socket.AF_UNIX)
            callers.append(caller)
            caller.setblocking(False)
            caller.connect(path)
    try:
        with pytest.raises(ServerFailed, match="listens on"), running_server(folder):
            pass
        assert orphan.is_running()
    finally:
        for caller in callers:
            caller.close()


def test_a_server_that_still_loads_its_file_is_waited_for(
    folder: DataFolder, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = "for i = 1, 300000 do redis.call('set', i, i) end"
    with running_server(folder) as url, Redis.from_url(url) as client:
        client.eval(fill, 0)
    answers = []

    def heard(socket_path: Path, patience_s: float) -> Answer:
        answers.append(ask(socket_path, patience_s))
        return answers[-1]

    monkeypatch.setattr(queue_server, "ask", heard)
    with running_server(folder) as url, Redis.from_url(url) as client:
        assert client.dbsize() == 300000
    assert Answer.LOADING in answers
