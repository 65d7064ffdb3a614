"""What the servers of tests have in common."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable

import pytest

START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0


def free_port() -> int:
    """A TCP port that nobody listens on, on the loopback address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def await_answer(
    process: subprocess.Popen[bytes], answers: Callable[[], bool], log: Callable[[], str]
) -> None:
    """Wait until a server answers; fails with its log where it ends or takes too long."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            end(process)
            pytest.fail(f"the server did not start: {log()}")
        time.sleep(0.02)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server that may have ended already, or may be stopped."""
    process.terminate()
    process.send_signal(signal.SIGCONT)
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
