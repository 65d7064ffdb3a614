"""The embedded queue server's socket: where it is, whose it is, and what answers there."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
import time
from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path

import psutil
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from clipwarden.data_folder import DataFolder
from clipwarden.errors import DataFolderUnusable, ServerFailed

_SOCKET_NAME = "queue.sock"

# The file in the queue folder that tells the next run where this one's server answers.
_NOTE_NAME = "socket"

_REPLY_TIMEOUT_S = 1.0

_CURE = "Set XDG_RUNTIME_DIR to a folder of your own with a short name."


class Answer(Enum):
    """What comes back from a socket."""

    READY = auto()
    LOADING = auto()
    """The server is alive and reads its file."""
    SILENCE = auto()
    """Somebody listens and says nothing."""
    NOBODY = auto()


def own_socket(folder: DataFolder) -> Path:
    """Where a data folder's server answers by today's environment; raises ServerFailed."""
    try:
        return folder.socket_folder / _SOCKET_NAME
    except OSError as error:
        raise _failed("there is no folder for its socket", error) from error


def write_note(folder: DataFolder, socket_path: Path) -> None:
    """Tell other commands, and the next run, where the server answers; raises OSError."""
    (folder.queue_folder / _NOTE_NAME).write_bytes(os.fsencode(socket_path))


def socket_of_last_server(folder: DataFolder) -> Path | None:
    """Where the server that was started last would answer, by its note; or DataFolderUnusable.

    Not by today's environment, which may name another place.
    """
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


def make_private(path: Path) -> None:
    """Make the socket's folder; the temporary folder is shared, so refuse what another made."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_folder_of(path, os.getuid()):
            raise PermissionError(errno.EPERM, "it is no folder of yours")
        path.chmod(0o700)
    except OSError as error:
        raise _failed(f"its socket can't be in {path}", error) from error


def remove_socket(socket_path: Path) -> None:
    """Remove a dead server's socket, and its folder where nothing else is in it."""
    with contextlib.suppress(OSError):
        socket_path.unlink(missing_ok=True)
        socket_path.parent.rmdir()


def ask(socket_path: Path, patience_s: float) -> Answer:
    """Ask for a sign of life; silence is believed after `patience_s`, a refusal at once."""
    deadline = time.monotonic() + patience_s
    with contextlib.closing(_client(socket_path)) as client:
        while _listens(socket_path):
            try:
                client.ping()
            except BusyLoadingError:
                return Answer.LOADING
            except (RedisConnectionError, RedisTimeoutError):
                if time.monotonic() >= deadline:
                    return Answer.SILENCE
            except RedisError:
                # With a full disk it answers even this with an error.
                return Answer.READY
            else:
                return Answer.READY
    return Answer.NOBODY


def holder(socket_path: Path) -> psutil.Process | None:
    """The process that listens there, which the kernel knows even where it is frozen."""
    try:
        pid = _pid_by_kernel(socket_path) if hasattr(socket, "SO_PEERCRED") else _pid(socket_path)
        # 0 where it lives in another container.
        return psutil.Process(pid) if pid else None
    except (OSError, RedisError, psutil.NoSuchProcess):
        return None


def shut_down(socket_path: Path) -> None:
    """Ask the server to write its file and leave."""
    with (
        contextlib.closing(_client(socket_path)) as client,
        contextlib.suppress(RedisError),
    ):
        client.shutdown(nosave=True)


def _listens(socket_path: Path) -> bool:
    try:
        with _connected(socket_path):
            return True
    except (BlockingIOError, TimeoutError):
        # Its queue of callers is full: it has answered none of them for long.
        return True
    except OSError:
        return False


@contextlib.contextmanager
def _connected(socket_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_REPLY_TIMEOUT_S)
        connection.connect(str(socket_path))
        yield connection


def _pid_by_kernel(socket_path: Path) -> int:
    layout = struct.Struct("3i")
    with _connected(socket_path) as connection:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, layout.size)
    pid, _uid, _gid = layout.unpack(credentials)
    return int(pid)


def _pid(socket_path: Path) -> int:
    with contextlib.closing(_client(socket_path)) as client:
        return int(client.info("server")["process_id"])


def _is_folder_of(path: Path, uid: int) -> bool:
    """Whether a user made that folder, and it is no link."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == uid


def _client(socket_path: Path) -> Redis:
    """A client that takes the first refusal for an answer; redis-py would retry for seconds."""
    return Redis(
        unix_socket_path=str(socket_path),
        socket_timeout=_REPLY_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


def _failed(what: str, error: OSError) -> ServerFailed:
    reason = error.strerror or error
    return ServerFailed(f"the embedded queue server can't be started: {what}: {reason}.", _CURE)
