"""A file and a port that no decoding may touch, and the means to see whether it did."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import clips

CANARY_COLOUR: clips.Colour = (230, 20, 220)
"""Of no other file: a picture of it in a result comes from the canary."""

_IN_ACCESS, _IN_OPEN = 0x1, 0x20
_IN_NONBLOCK = os.O_NONBLOCK
_EVENT_BYTES = 4096


@dataclass(frozen=True)
class Bait:
    """What the malicious files name: two local files and a port of this machine."""

    video: Path
    text: Path
    port: int

    @property
    def targets(self) -> dict[str, str]:
        """Each way to name the bait, by a word that fits a file name."""
        return {
            "relative": self.video.name,
            "absolute": str(self.video),
            "fileurl": f"file://{self.video}",
            "http": f"http://127.0.0.1:{self.port}/canary.ts",
            "tcp": f"tcp://127.0.0.1:{self.port}",
            "udp": f"udp://127.0.0.1:{self.port}",
            "subfile": f"subfile,,start,0,end,0,,:{self.video}",
            "concat": f"concat:{self.video}|{self.text}",
        }


NOBODY = Bait(Path("canary.ts"), Path("canary.txt"), 9)
"""For listing the entries without making them."""


class Watch:
    """Sees every opening and reading of the bait's files and every visitor of its port.

    Linux only: inotify, through libc, as the standard library has no door to it.
    """

    def __init__(self, bait: Bait, tcp: socket.socket, udp: socket.socket) -> None:
        self.bait = bait
        self._tcp = tcp
        self._udp = udp
        libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = libc.inotify_init1(_IN_NONBLOCK)
        assert self._inotify >= 0, "inotify is there on every Linux"
        for path in (bait.video, bait.text):
            watched = libc.inotify_add_watch(
                self._inotify, os.fsencode(path), _IN_ACCESS | _IN_OPEN
            )
            assert watched >= 0, os.strerror(ctypes.get_errno())

    def touched(self) -> list[str]:
        """What was touched since the last look: `file`, `tcp`, `udp`."""
        seen = []
        with contextlib.suppress(BlockingIOError):
            os.read(self._inotify, _EVENT_BYTES)
            seen.append("file")
        with contextlib.suppress(BlockingIOError):
            self._tcp.accept()[0].close()
            seen.append("tcp")
        with contextlib.suppress(BlockingIOError):
            self._udp.recv(1)
            seen.append("udp")
        return seen

    def close(self) -> None:
        """Stop watching."""
        os.close(self._inotify)


@contextlib.contextmanager
def laid(folder: Path) -> Iterator[Watch]:
    """Lay the bait in a folder and listen for as long as the block runs."""
    # .ts, for a playlist only follows names that look like media.
    video = clips.write_scenes(folder / "canary.ts", [(CANARY_COLOUR, 1.0)])
    text = folder / "canary.txt"
    text.write_text("a secret of this machine\n" * 10)
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        tcp.setblocking(False)
        udp.setblocking(False)
        watch = Watch(Bait(video, text, port), tcp, udp)
        try:
            yield watch
        finally:
            watch.close()
