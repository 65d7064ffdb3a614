"""What processes that decode have in common: their limits, their walls, how they say an error."""

from __future__ import annotations

import importlib
import os
import resource
import threading
from collections.abc import Callable
from typing import BinaryIO

from PIL import Image

from ingest.errors import MediaError
from ingest.media import wire
from ingest.media.limits import DecodeLimits
from ingest.media.sandbox import enter_sandbox

_IMPORTED_LATE = (
    "av.audio.codeccontext",
    "av.audio.stream",
    "av.subtitles.codeccontext",
    "av.subtitles.stream",
    "av.video.codeccontext",
    "av.video.stream",
)
"""PyAV imports these when it meets the first stream of a kind; by then nothing can be imported."""
_NICENESS = 5
"""Decoding yields to whoever answers requests on the same machine."""
_GRACE_CPU_S = 5
"""Between SIGXCPU, which says what happened, and SIGKILL, which nobody can ignore."""


def take_stdout() -> BinaryIO:
    """Keep the answers' pipe to ourselves: whatever a library prints goes to stderr."""
    private = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(private, "wb")


def limit_this_process(limits: DecodeLimits) -> None:
    """Set what the kernel enforces; threads count as processes, so of those there is no limit."""
    for kind, value in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _limit(kind, value, value)
    _limit(resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + _GRACE_CPU_S)
    os.nice(_NICENESS)


def close_the_door(parent_ends: Callable[[], object], *, receives_files: bool = False) -> None:
    """Keep nothing but what is open, for good, and leave once `parent_ends` returns.

    With `receives_files`, files that are open can still be handed in through descriptor 0.
    """
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    Image.preinit()
    os.chdir("/")
    enter_sandbox(receives_files=receives_files)

    def end_with_parent() -> None:
        parent_ends()
        os._exit(1)

    # Started inside, for else this thread would be left outside.
    threading.Thread(target=end_with_parent, daemon=True).start()


def send_error(out: BinaryIO, error: MediaError) -> None:
    """Answer that the file can't be decoded, and why."""
    wire.write_json(
        out, wire.ERROR, {"code": error.code, "message": error.message, "cure": error.cure}
    )


def _limit(kind: int, soft: int, hard: int) -> None:
    _, highest = resource.getrlimit(kind)
    if highest != resource.RLIM_INFINITY:
        soft, hard = min(soft, highest), min(hard, highest)
    resource.setrlimit(kind, (soft, hard))
