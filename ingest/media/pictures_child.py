"""`python -P -m ingest.media.pictures_child`: decodes pictures one after the other.

Starting a process takes longer than decoding a picture, so this one gives up everything once and
is then handed open files: descriptor 0 is a socket, on which the first message is the request
that all pictures share, and every other one a file with the name that messages give it. Each is
answered on stdout as `ingest.media.child` answers: facts, one frame, a summary; or an error.
"""

from __future__ import annotations

import gc
import os
import select
import socket
import sys
from dataclasses import replace
from typing import BinaryIO

from ingest.errors import MediaError
from ingest.media.decode import decode_file
from ingest.media.picture_kinds import require_picture
from ingest.media.refusals import out_of_memory
from ingest.media.walled import close_the_door, limit_this_process, send_error, take_stdout
from ingest.media.wire import MAX_JSON_BYTES, DecodeRequest

MAX_NAME_BYTES = 8192
_SHOWN_FRAMES = 2
"""Of an animation the first is taken; only that a second comes tells that it is over."""


def main() -> int:
    """Serve pictures until the socket ends; a failed one is an answer, not an exit status."""
    out = take_stdout()
    inbox = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=0)
    shared = DecodeRequest.from_line(inbox.recv(MAX_JSON_BYTES))
    limit_this_process(shared.limits)
    # Asks for nothing, and is told of the other end's closing all the same.
    hanging_up = select.poll()
    hanging_up.register(inbox, 0)
    close_the_door(hanging_up.poll, receives_files=True)
    while True:
        name, descriptors, _, _ = socket.recv_fds(inbox, MAX_NAME_BYTES, 1)
        if not name:
            return 0
        [descriptor] = descriptors
        try:
            _answer(
                replace(
                    shared, source=name.decode(), descriptor=descriptor, stop_after=_SHOWN_FRAMES
                ),
                out,
            )
        finally:
            os.close(descriptor)
            # A frame and its side data hold one another, and what is alive when the next picture
            # begins is never looked at again.
            gc.collect()


def _answer(request: DecodeRequest, out: BinaryIO) -> None:
    try:
        require_picture(request)
        decode_file(request, out)
    except MediaError as error:
        send_error(out, error)
    except MemoryError:
        send_error(out, out_of_memory(request))


if __name__ == "__main__":
    sys.exit(main())
