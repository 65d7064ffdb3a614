"""How a worker process begins and ends: settings on stdin, a ready line, the parent's death."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel

from ingest.queue.logs import log_json_lines
from prompts.errors import ClipwardenError

Settings = TypeVar("Settings", bound=BaseModel)

EXIT_FAILED = 1
EXIT_ORPHANED = 71
# It did as many jobs, or grew as much, as it may: start another, nothing is wrong.
EXIT_RECYCLED = 75

# A worker whose parent is gone may finish its batch, and no more.
_ORPHAN_GRACE_S = 5.0


def read_settings(kind: type[Settings]) -> Settings:
    """Read the settings: one line of JSON on stdin, where `ps` shows no password."""
    return kind.model_validate_json(sys.stdin.readline())


def announce_ready() -> None:
    """Tell the parent that jobs can be taken now."""
    _tell({"ready": True, "pid": os.getpid()})


def announce_failure(error: ClipwardenError) -> None:
    """Tell the parent why this process can't work."""
    _tell({"ready": False, "code": error.code, "message": error.message, "cure": error.cure})


def end_with_parent() -> None:
    """Watch stdin from now on: when the parent dies it closes, and this process ends too."""
    threading.Thread(target=_end_at_eof, name="parent-watch", daemon=True).start()


def on_polite_kill(stop: Callable[[], object]) -> None:
    """Call `stop` when somebody asks this process to end, instead of ending it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop())


def log_to_stderr(role: str) -> None:
    """Write one JSON object per log event to stderr, each with the role and process id."""
    log_json_lines(role, sys.stderr)


def process_name() -> str:
    """`host:pid`, by which results say who made them."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _tell(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _end_at_eof() -> None:
    # Straight from the descriptor: a thread blocked inside sys.stdin would hold its lock, and
    # the interpreter's shutdown waits for that.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_ORPHAN_GRACE_S)
    os._exit(EXIT_ORPHANED)
