"""Ask a vendor's management tool, which may be missing, hang with its driver, or print anything."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence

from worker.errors import DeviceUnavailable

_WORDS_MAX = 200
_KILL_WAIT_S = 1.0


def ask_tool(command: Sequence[str], timeout_s: float, cure: str) -> str:
    """Return what a tool prints; raises DeviceUnavailable with `cure` where it gives no answer."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise DeviceUnavailable(f"{command[0]} is not on this machine.", cure) from error
    except OSError as error:
        raise DeviceUnavailable(f"{command[0]} can't be run: {error.strerror}.", cure) from error
    try:
        answer, complaint = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        _abandon(process)
        raise DeviceUnavailable(
            f"{command[0]} gave no answer within {timeout_s:g} s: its driver may hang.",
            f"Look at the kernel's log (dmesg). {cure}",
        ) from error
    if process.returncode != 0:
        words = quoted(complaint.strip() or answer.strip() or "nothing")
        raise DeviceUnavailable(
            f"{command[0]} ended with status {process.returncode} and said {words}.", cure
        )
    return answer


def quoted(text: str) -> str:
    """A line of a tool's output for a message: the first one, short, control characters escaped."""
    return ascii((text.splitlines() or [""])[0][:_WORDS_MAX])


def _abandon(process: subprocess.Popen[str]) -> None:
    """Kill a tool and what it started, and wait no longer than a moment.

    A process that hangs in a driver outlives being killed.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_KILL_WAIT_S)
