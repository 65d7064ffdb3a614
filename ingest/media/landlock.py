"""Takes every file, TCP port and other process from this thread, by Linux's Landlock.

No rule allows anything: the one file that is decoded is open before. Numbers and structures are
those of linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import struct

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
"""The same on every architecture."""
_ASK_VERSION = 1

_FILE_RIGHTS = ((1, 13), (2, 1), (3, 1), (5, 1))
"""ABI, and how many rights over files came with it: REFER, TRUNCATE and IOCTL_DEV are the later."""
_TCP_RIGHTS = 0b11
_SCOPES = 0b11
"""Abstract sockets of others, and signals to others."""


def abi(libc: ctypes.CDLL) -> int:
    """The version of Landlock that this kernel offers; 0 where it offers none."""
    answer = libc.syscall(
        ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_long(_ASK_VERSION)
    )
    return max(0, int(answer))


def ruleset(version: int) -> bytes:
    """Return `struct landlock_ruleset_attr` with every right that this version knows."""
    files = (1 << sum(count for since, count in _FILE_RIGHTS if since <= version)) - 1
    if version < 4:
        return struct.pack("Q", files)
    if version < 6:
        return struct.pack("QQ", files, _TCP_RIGHTS)
    return struct.pack("QQQ", files, _TCP_RIGHTS, _SCOPES)


def install(libc: ctypes.CDLL) -> int:
    """Restrict this thread and those it starts; returns the ABI used, 0 where that failed."""
    version = abi(libc)
    if version == 0:
        return 0
    attributes = ruleset(version)
    pointer = ctypes.create_string_buffer(attributes, len(attributes))
    descriptor = libc.syscall(
        ctypes.c_long(_CREATE_RULESET),
        pointer,
        ctypes.c_size_t(len(attributes)),
        ctypes.c_long(0),
    )
    if descriptor < 0:
        return 0
    try:
        answer = libc.syscall(
            ctypes.c_long(_RESTRICT_SELF), ctypes.c_long(descriptor), ctypes.c_long(0)
        )
    finally:
        libc.close(descriptor)
    return version if answer == 0 else 0
