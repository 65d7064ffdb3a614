"""How a worker process begins and ends: settings on stdin, a ready line, the parent's death."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from typing import TypeVar

import structlog
from pydantic import BaseModel

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


def log_to_stderr(role: str) -> None:
    """Write one JSON object per log event to stderr, each with the role and process id."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(role=role, pid=os.getpid())


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
