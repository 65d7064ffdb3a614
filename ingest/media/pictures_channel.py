"""The parent's end of a process that decodes pictures: hands open files over, reads answers."""

from __future__ import annotations

import array
import contextlib
import socket
import sys

from ingest.media.channel import ChildChannel
from ingest.media.wire import DecodeRequest

PICTURES_COMMAND = (sys.executable, "-P", "-m", "ingest.media.pictures_child")


class PictureChannel(ChildChannel):
    """A channel whose child's stdin is a socket, for open files travel on no pipe."""

    def __init__(self, shared: DecodeRequest) -> None:
        """Start the child and send what holds for all its pictures; raises OSError."""
        self._outbox, inbox = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with inbox, contextlib.ExitStack() as on_failure:
            on_failure.callback(self._outbox.close)
            super().__init__(
                PICTURES_COMMAND, "", shared.geometry, shared.limits, stdin=inbox.fileno()
            )
            on_failure.pop_all()
        # Nothing is ever read from it: the child can't fill it either.
        self._outbox.shutdown(socket.SHUT_RD)
        self.send(shared.to_line())

    def send(self, line: bytes) -> None:
        """Send a message without a file."""
        # A child that died already is reported, with its signal, when its answer is missing.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._outbox.sendall(line)

    def hand_over(self, source: str, descriptor: int) -> None:
        """Send an open file, which stays open here, and the name that messages give it.

        Raises DecoderCrashed where the child answers files that it does not take.
        """
        try:
            # Never waiting: no watchdog stands behind this, and an honest child leaves room.
            # Not by socket.send_fds, which forgets its flags.
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))
            self._outbox.sendmsg([source.encode()], [rights], socket.MSG_DONTWAIT)
        except BlockingIOError as error:
            raise self.nonsense("answers to files that it never took") from error
        except (BrokenPipeError, ConnectionResetError):
            return

    def close(self) -> None:
        """Kill and reap the child and close everything; safe to call twice."""
        super().close()
        self._outbox.close()
