"""The decoding process: `python -P -m ingest.media.child`.

It reads one request from stdin, opens the one file, gives up everything else, writes framed
answers to stdout and is killed by its parent whenever the parent has enough. It imports neither
torch nor numpy, redis or sqlalchemy.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from ingest.errors import MediaError
from ingest.media.decode import decode_file
from ingest.media.files import open_file
from ingest.media.refusals import out_of_memory
from ingest.media.walled import close_the_door, limit_this_process, send_error, take_stdout
from ingest.media.wire import DecodeRequest


def main() -> int:
    """Serve one request; a failed decoding is an answer, not an exit status."""
    out = take_stdout()
    request = DecodeRequest.from_line(sys.stdin.buffer.readline())
    limit_this_process(request.limits)
    try:
        opened = replace(request, descriptor=open_file(request))
        # stdin closes where the parent died without a chance to end us.
        close_the_door(lambda: os.read(0, 1))
        decode_file(opened, out)
    except MediaError as error:
        send_error(out, error)
    except MemoryError:
        send_error(out, out_of_memory(request))
    return 0


if __name__ == "__main__":
    sys.exit(main())
