"""One worker process: started apart from the terminal, and heard until it says ready."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import IO

from pydantic import BaseModel

from clipwarden.errors import WorkerRefused
from worker.cards.environment import is_of_launcher

# URLs, which may hold a password, are handed over in the settings. Models are fetched by the
# command, so no worker needs a token for the hub. What the blob store needs (AWS_...) stays.
_DROPPED = frozenset(
    {
        "REDIS_URL",
        "CLIPWARDEN_DATABASE_URL",
        "CLIPWARDEN_BLOB_URL",
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
    }
)

# The last words of a dead process may still be on their way through the reading thread.
_LAST_WORDS_S = 1.0

_KILL_TIMEOUT_S = 5.0


class Stage(IntEnum):
    """When a role's processes are stopped: the lowest first, each stage together."""

    WORK = 1
    """What takes jobs from queues."""
    KEEP = 2
    """What puts jobs back on queues."""
    ANSWER = 3
    """What people and programs talk to."""


@dataclass(frozen=True)
class Role:
    """A place for one process: its module, its settings, and how many threads it computes with.

    `variables` are set in its environment, for what must be known before anything is imported.
    """

    name: str
    module: str
    settings: BaseModel
    threads: int = 1
    stage: Stage = Stage.WORK
    variables: Mapping[str, str] = field(default_factory=dict)


class Child:
    """A process in a role; start it with `Child.start`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._spoke = threading.Event()
        self._refusal: WorkerRefused | None = None
        self._is_ready = False
        self._port: int | None = None
        self._started_s = time.monotonic()
        self._listener = threading.Thread(target=self._listen, args=(process.stdout,), daemon=True)
        self._listener.start()

    @classmethod
    def start(cls, role: Role, log: Path | None) -> Child:
        """Start a role's process, its stderr appended to `log` or shared; raises OSError."""
        with contextlib.ExitStack() as stack:
            process = subprocess.Popen(
                # -P: a worker.py in the user's folder must not be taken for ours.
                [sys.executable, "-P", "-m", role.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stack.enter_context(log.open("ab")) if log else None,
                text=True,
                errors="replace",
                # Ctrl-C reaches this process alone, which then stops the others in order.
                start_new_session=True,
                env=environment_of(role),
            )
        assert process.stdin is not None
        # Escaped to ASCII: the two ends need not agree on an encoding.
        settings = json.dumps(role.settings.model_dump(mode="json"))
        # One that died at once is found dead by its status.
        with contextlib.suppress(OSError):
            process.stdin.write(settings + "\n")
            process.stdin.flush()
        return cls(process)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether it has said that it takes jobs."""
        return self._is_ready

    @property
    def port(self) -> int | None:
        """Where it listens, if it said so."""
        return self._port

    @property
    def lived_s(self) -> float:
        """The time since its start."""
        return time.monotonic() - self._started_s

    def status(self) -> int | None:
        """Its exit status, or None while it lives."""
        return self._process.poll()

    def refusal(self) -> WorkerRefused | None:
        """Why a dead process could not work, if it said so."""
        self._spoke.wait(_LAST_WORDS_S)
        return self._refusal

    def terminate(self) -> None:
        """Ask it to end after handing back its job."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def end(self, deadline_s: float) -> tuple[int | None, bool]:
        """Wait for its end until a monotonic time, then force it.

        Returns its exit status, and whether it had to be killed. A process that hangs in a
        device's driver outlives even that; it has no status.
        """
        killed = False
        try:
            self._process.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            killed = True
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_KILL_TIMEOUT_S)
        self.close()
        return self._process.returncode, killed

    def close(self) -> None:
        """Close the pipe to it; a process that still lives ends by that."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._listener.join(_LAST_WORDS_S)

    def _listen(self, stdout: IO[str]) -> None:
        """Take in the line that says ready or why not, and let the rest go.

        A library that prints must neither be taken for ours nor fill the pipe and block.
        """
        with stdout, contextlib.suppress(OSError):
            for line in stdout:
                if not self._spoke.is_set():
                    self._hear(line)
        self._spoke.set()

    def _hear(self, line: str) -> None:
        try:
            message = json.loads(line)
            if message["ready"]:
                self._port = message.get("port")
                self._is_ready = True
            else:
                self._refusal = WorkerRefused(message["code"], message["message"], message["cure"])
        except (ValueError, KeyError, TypeError):
            return
        self._spoke.set()


def environment_of(role: Role) -> dict[str, str]:
    """The environment that a role's process is started with."""
    kept = {
        name: value
        for name, value in os.environ.items()
        # A launcher's would make a card's driver pick another card than ours.
        if name not in _DROPPED and not is_of_launcher(name)
    }
    threads = str(role.threads)
    # A thread that spins while it waits takes the core that decoding needs: with one other busy
    # process on two cores, the starter embedded at half the rate.
    return (
        {"OMP_WAIT_POLICY": "PASSIVE"}
        | kept
        | dict(role.variables)
        | {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
        }
    )
