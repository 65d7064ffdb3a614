"""Our end of the pipe to a contender that stays loaded; worker.bench.turns is the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

_END_TIMEOUT_S = 10.0


def module_command(module: str) -> tuple[str, ...]:
    """The command of one of our own modules, as a process of its own."""
    return (sys.executable, "-P", "-m", module)


class ContenderProcess:
    """One contender; use it in a `with` block, which waits until it is ready.

    `reason` says why it can't take part, and is empty where it can; `start_s` is how long its
    loading took, imports apart.
    """

    def __init__(self, command: Sequence[str], settings: Mapping[str, Any], threads: int) -> None:
        self._command = command
        self._settings = settings
        self._threads = threads
        self.reason = ""
        self.start_s = 0.0

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                env=_environment(self._threads),
            )
        except OSError as error:
            self._errors.close()
            self._command = ()
            self.reason = f"{error.filename}: {error.strerror}"
            return self
        answer = self._ask(self._settings)
        self.reason = answer.get("reason", "")
        self.start_s = float(answer.get("start_s", 0.0))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._command:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        if error is not None:
            self._process.terminate()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def turn(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what a turn took; None where it failed, now or before, and `reason` says why."""
        if self.reason:
            return None
        answer = self._ask(request)
        self.reason = str(answer.get("reason", ""))
        return None if self.reason else answer

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            return {"reason": self._last_words()}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else f"it ended with status {status}"


def _environment(threads: int) -> dict[str, str]:
    """As our worker processes have it: threads that wait don't spin."""
    count = str(threads)
    return os.environ | {
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        # What is compared is what lies here: nobody downloads weights meanwhile.
        "HF_HUB_OFFLINE": "1",
    }
