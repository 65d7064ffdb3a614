"""What one file may cost while it is decoded."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

_GIB = 1024**3
_HOUR_S = 3600


@dataclass(frozen=True)
class DecodeLimits:
    """Bounds of one decoding process; each ends that file alone."""

    max_bytes: int = 64 * _GIB
    """Size of the file."""
    max_duration_s: int = 12 * _HOUR_S
    """Length of the video, measured on what was decoded: headers lie."""
    max_pixels: int = 8192 * 4320
    """Pixels of one picture, checked on the header and on every decoded frame (8K passes)."""
    max_frames: int = 1_000_000
    """Sampled frames; two a second for nearly six days."""
    max_streams: int = 64
    """Streams of all kinds; broadcasts carry a few dozen."""
    memory_bytes: int = 3 * _GIB
    """Address space of the process; ordinary 1080p takes a tenth of it."""
    cpu_s: int = 12 * _HOUR_S
    """Time on processors, all threads together."""
    wall_s: float = 6.0 * _HOUR_S
    """Time that somebody waits for the decoder; not while it waits for room."""
    stall_timeout_s: float = 60.0
    """Longest wall-clock silence; a healthy decoder says where it is about once a second."""
    open_files: int = 64
    threads: int = 1
    """Decoding threads: one is the cheapest per file, more finish a single file sooner."""

    def leave_room_for(self, size_bytes: int) -> bool:
        """Whether this process could still allocate that much under its memory limit.

        It asks the kernel, for where nothing can be opened, /proc can't be read either.
        """
        if size_bytes <= 0:
            return True
        try:
            mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
        except (OSError, MemoryError, OverflowError):
            return False
        return True
