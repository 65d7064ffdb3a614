"""What a file is: the hash of its content, and the marks by which a change is noticed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import MediaNotFound
from ingest.media.check import displayed_name

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class FileIdentity:
    """A file's content and, as cheap witnesses of it, its inode, size and time of last change."""

    sha256: str
    size_bytes: int
    inode: int
    changed_ns: int

    def still_holds(self, path: Path) -> bool:
        """Whether nothing wrote to the file, or put another in its place, since it was read."""
        try:
            return _witnesses(path.stat()) == (self.inode, self.size_bytes, self.changed_ns)
        except OSError:
            return False


def identify(path: Path, source: str) -> FileIdentity:
    """Read and hash a file; raises MediaNotFound, which calls it `source`, if it can't be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            # Before the content: what is written while we read is noticed later.
            inode, size_bytes, changed_ns = _witnesses(os.fstat(handle.fileno()))
            while block := handle.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise MediaNotFound(
            f"{displayed_name(source)}: {error.strerror or error}.",
            "Check that it is there and may be read.",
        ) from error
    return FileIdentity(digest.hexdigest(), size_bytes, inode, changed_ns)


def _witnesses(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns
