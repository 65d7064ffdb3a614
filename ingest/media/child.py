"""The decoding process: `python -P -m ingest.media.child`.

It reads one request from stdin, opens the one file, gives up everything else, writes framed
answers to stdout and is killed by its parent whenever the parent has enough. It imports neither
torch nor numpy, redis or sqlalchemy.
"""

from __future__ import annotations

import importlib
import os
import resource
import sys
import threading
from dataclasses import replace
from typing import BinaryIO

from PIL import Image

from ingest.errors import MediaError
from ingest.media import wire
from ingest.media.decode import decode_file
from ingest.media.limits import DecodeLimits
from ingest.media.opening import open_file
from ingest.media.refusals import out_of_memory
from ingest.media.sandbox import enter_sandbox
from ingest.media.wire import DecodeRequest

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


def main() -> int:
    """Serve one request; a failed decoding is an answer, not an exit status."""
    out = _take_stdout()
    request = DecodeRequest.from_line(sys.stdin.buffer.readline())
    _limit_this_process(request.limits)
    try:
        opened = replace(request, descriptor=open_file(request))
        _close_the_door()
        decode_file(opened, out)
    except MediaError as error:
        _send_error(out, error)
    except MemoryError:
        _send_error(out, out_of_memory(request))
    return 0


def _take_stdout() -> BinaryIO:
    """Keep the answers' pipe to ourselves: whatever a library prints goes to stderr."""
    private = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(private, "wb")


def _limit_this_process(limits: DecodeLimits) -> None:
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


def _limit(kind: int, soft: int, hard: int) -> None:
    _, highest = resource.getrlimit(kind)
    if highest != resource.RLIM_INFINITY:
        soft, hard = min(soft, highest), min(hard, highest)
    resource.setrlimit(kind, (soft, hard))


def _close_the_door() -> None:
    """Keep nothing but the open file and the pipes, for good."""
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    Image.preinit()
    os.chdir("/")
    enter_sandbox()
    # Started inside, for else this thread would be left outside.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when stdin closes: the parent died without a chance to end us."""
    os.read(0, 1)
    os._exit(1)


def _send_error(out: BinaryIO, error: MediaError) -> None:
    wire.write_json(
        out, wire.ERROR, {"code": error.code, "message": error.message, "cure": error.cure}
    )


if __name__ == "__main__":
    sys.exit(main())
