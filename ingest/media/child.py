"""The decoding process: `python -P -m ingest.media.child`.

It reads one request from stdin, writes framed answers to stdout and is killed by its parent
whenever the parent has enough. It imports neither torch nor numpy, redis or sqlalchemy.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from typing import BinaryIO

from ingest.errors import MediaError
from ingest.media import wire
from ingest.media.decode import decode_file
from ingest.media.limits import DecodeLimits
from ingest.media.opening import out_of_memory
from ingest.media.wire import DecodeRequest

_NICENESS = 5
"""Decoding yields to whoever answers requests on the same machine."""


def main() -> int:
    """Serve one request; a failed decoding is an answer, not an exit status."""
    out = _take_stdout()
    request = DecodeRequest.from_line(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit_this_process(request.limits)
    try:
        decode_file(request, out)
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
    for kind, value in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))
    os.nice(_NICENESS)


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
