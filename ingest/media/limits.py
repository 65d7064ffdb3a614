"""What one file may cost while it is decoded."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DecodeLimits:
    """Bounds of one decoding process; each ends that file alone."""

    max_pixels: int = 8192 * 4320
    """Pixels of one picture, checked on the header and on every decoded frame (8K passes)."""
    memory_bytes: int = 3 * 1024**3
    """Address space of the process; ordinary 1080p takes a tenth of it."""
    open_files: int = 64
    stall_timeout_s: float = 60.0
    """Longest wall-clock silence; a healthy decoder says where it is about once a second."""
    threads: int = 1
    """Decoding threads: one is the cheapest per file, more finish a single file sooner."""

    def leave_room_for(self, size_bytes: int) -> bool:
        """Whether this process could still allocate that much under its memory limit."""
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return pages * resource.getpagesize() + size_bytes <= self.memory_bytes
