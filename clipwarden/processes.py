"""Worker processes: started apart from the terminal, watched, restarted, and stopped in order."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pydantic import BaseModel

from clipwarden.errors import WorkerFailed, WorkerRefused

# A process that dies more often than this within the window has a reason that restarting
# won't mend; a long run may lose one now and then.
_MAX_RESTARTS = 3
_RESTARTS_WINDOW_S = 600.0

# The first restart is due at once, each further one this much later than the one before.
_BACKOFF_S = 1.0

_STOP_TIMEOUT_S = 5.0

# What a launcher leaves behind would make a card's driver pick another card than ours; and
# REDIS_URL, which may hold a password, is handed over in the settings. Models are fetched by the
# command, so no worker needs a token for the hub.
_DROPPED_PREFIXES = ("OMPI_",)
_DROPPED = frozenset(
    {"WORLD_SIZE", "RANK", "LOCAL_RANK", "REDIS_URL", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}
)

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Put off Ctrl-C and polite kills to the end of the block.

    A process started in it can't be lost between its birth and the variable it is kept in. In
    other threads than the main one, which no interrupt reaches, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _INTERRUPTS}
    # What the process ignores, or dies of, stays so.
    held = {number: handler for number, handler in handlers.items() if callable(handler)}
    try:
        for number in held:
            signal.signal(number, lambda number, _frame: came.append(number))
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)


@dataclass(frozen=True)
class Role:
    """A kind of worker process: its module, its settings, and how many threads it computes with."""

    name: str
    module: str
    settings: BaseModel
    threads: int = 1


@dataclass
class _Child:
    role: Role
    process: subprocess.Popen[str]
    ready: threading.Event = field(default_factory=threading.Event)
    failure: WorkerRefused | None = None
    # When this role's processes died lately, oldest first, by the monotonic clock.
    deaths_s: deque[float] = field(default_factory=deque)
    restart_due_s: float | None = None


class WorkerProcesses:
    """The worker processes of one run; use it in a `with` block."""

    def __init__(self, roles: Sequence[Role], logs: Path) -> None:
        self._logs = logs
        self._roles = tuple(roles)
        self._children: list[_Child] = []

    def __enter__(self) -> WorkerProcesses:
        try:
            for role in self._roles:
                with interrupts_held():
                    self._children.append(self._start(role))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def all_ready(self) -> bool:
        """Whether every process takes jobs by now."""
        return all(child.ready.is_set() and child.restart_due_s is None for child in self._children)

    def check(self) -> None:
        """Restart what died, without waiting; raises WorkerFailed where that is hopeless.

        A process that keeps dying is restarted later each time, by the call that finds it due. One
        that says why it can't work is not tried again: that raises WorkerRefused.
        """
        for index, child in enumerate(self._children):
            if child.restart_due_s is None:
                status = child.process.poll()
                if status is None:
                    continue
                child.restart_due_s = self._restart_time(child, status)
            if time.monotonic() < child.restart_due_s:
                continue
            _close_pipes(child.process)
            with interrupts_held():
                started = self._start(child.role)
                started.deaths_s = child.deaths_s
                self._children[index] = started

    def _restart_time(self, child: _Child, status: int) -> float:
        """Note a death and return when to try again."""
        # Its last words may still be on the way through the reading thread.
        child.ready.wait(timeout=1.0)
        if child.failure is not None:
            raise child.failure
        now_s = time.monotonic()
        deaths_s = child.deaths_s
        deaths_s.append(now_s)
        while deaths_s[0] < now_s - _RESTARTS_WINDOW_S:
            deaths_s.popleft()
        if len(deaths_s) > _MAX_RESTARTS:
            raise WorkerFailed(
                f"the {child.role.name} process died {len(deaths_s)} times within "
                f"{_RESTARTS_WINDOW_S / 60:.0f} minutes, at last with status {status}.",
                f"Its log is {self._log_path(child.role)}.",
            )
        return now_s + _BACKOFF_S * (len(deaths_s) - 1)

    def stop(self) -> None:
        """Ask all to end after their current job, then end by force what is left."""
        with interrupts_held():
            self._stop()

    def _stop(self) -> None:
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        for child in self._children:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            _close_pipes(child.process)
        self._children.clear()

    def _start(self, role: Role) -> _Child:
        try:
            with self._log_path(role).open("ab") as log:
                process = subprocess.Popen(
                    # -P: a worker.py in the user's folder must not be taken for ours.
                    [sys.executable, "-P", "-m", role.module],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    # Ctrl-C reaches this process alone, which then stops the others in order.
                    start_new_session=True,
                    env=_environment(role),
                )
        except OSError as error:
            raise WorkerFailed(
                f"the {role.name} process can't be started: "
                f"{error.filename or sys.executable}: {error.strerror or error}.",
                "Mend that, then run the command again.",
            ) from error
        child = _Child(role, process)
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(role.settings.model_dump_json() + "\n")
            process.stdin.flush()
        threading.Thread(
            target=_read_first_words, args=(child, process.stdout), daemon=True
        ).start()
        return child

    def _log_path(self, role: Role) -> Path:
        return self._logs / f"{role.name}.log"


def _read_first_words(child: _Child, stdout: IO[str]) -> None:
    """Wait for the line that says ready, or why not."""
    with contextlib.suppress(ValueError, OSError):
        message = json.loads(stdout.readline() or "{}")
        if message.get("ready") is False:
            child.failure = WorkerRefused(message["code"], message["message"], message["cure"])
    child.ready.set()


def _environment(role: Role) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _DROPPED and not name.startswith(_DROPPED_PREFIXES)
    }
    threads = str(role.threads)
    # A thread that spins while it waits takes the core that decoding needs: with one other busy
    # process on two cores, the starter embedded at half the rate.
    return (
        {"OMP_WAIT_POLICY": "PASSIVE"}
        | kept
        | {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
        }
    )


def _close_pipes(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
