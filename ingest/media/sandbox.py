"""Takes from the decoding process what decoding doesn't need; standard library only.

Hostile bytes may get hold of the decoder, so once its one file is open this process gives up
its root rights, every other file, every socket, every other process, and the making of new code.
Each wall stands alone: a kernel or a container that refuses one leaves the others.

`python -P -m ingest.media.sandbox` prints, as JSON, which walls stand on this machine.
"""

from __future__ import annotations

import ctypes
import json
import struct
import sys
from dataclasses import asdict, dataclass

from ingest.media import landlock, seccomp

_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x2008_0522


@dataclass(frozen=True)
class Walls:
    """What was applied. `landlock_abi` is 0 where the kernel has no Landlock."""

    no_new_privs: bool
    no_capabilities: bool
    landlock_abi: int
    seccomp: bool

    @property
    def closes_files(self) -> bool:
        """Whether no other file can be opened."""
        return self.seccomp or self.landlock_abi > 0

    @property
    def closes_network(self) -> bool:
        """Whether no socket of any kind can be made."""
        return self.seccomp


NO_WALLS = Walls(no_new_privs=False, no_capabilities=False, landlock_abi=0, seccomp=False)


def enter_sandbox(*, receives_files: bool = False) -> Walls:
    """Close every wall that this system offers, for good, and say which stand.

    With `receives_files` one gate stays: messages with open files can be received on descriptor 0.
    Call it before the process has a second thread: Landlock and capabilities are a thread's own.
    """
    if not sys.platform.startswith("linux"):
        return NO_WALLS
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privs = libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    return Walls(
        no_new_privs=no_new_privs,
        no_capabilities=_drop_capabilities(libc),
        landlock_abi=landlock.install(libc),
        # The last: it takes away the calls that the others are made by.
        seccomp=seccomp.install(libc, receives_files=receives_files),
    )


def _drop_capabilities(libc: ctypes.CDLL) -> bool:
    """Give up what root may do beyond other users; nothing for them."""
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    return bool(libc.capset(header, bytes(24)) == 0)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(enter_sandbox())))
