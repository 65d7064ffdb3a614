"""Hashes of model files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

HashProgress = Callable[[Path, int, int], None]
"""Is told which file is being read, how many bytes of it were, and how many it has."""

_BLOCK_BYTES = 4 * 1024 * 1024


def file_sha256(path: Path, progress: HashProgress | None = None) -> str:
    """The sha256 of a file's bytes in hex, as the `sha256sum` command prints it."""
    return _digest(path, hashlib.sha256(), progress)


def file_sha1s(path: Path) -> frozenset[str]:
    """The sha1 of a file's bytes, and that of git, which hashes a word about the length before."""
    head = f"blob {path.stat().st_size}\0".encode()
    hashes = (hashlib.sha1(usedforsecurity=False), hashlib.sha1(head, usedforsecurity=False))
    return frozenset(_digest(path, one, None) for one in hashes)


def _digest(path: Path, found: hashlib._Hash, progress: HashProgress | None) -> str:
    with open(path, "rb", opener=_open_unnoticed) as file:
        size, done = os.fstat(file.fileno()).st_size, 0
        while block := file.read(_BLOCK_BYTES):
            found.update(block)
            done += len(block)
            if progress is not None:
                progress(path, done, size)
    return found.hexdigest()


def _open_unnoticed(path: str, flags: int) -> int:
    """Open without a new time of last access, which is to tell when a model was used."""
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:
        # Only the owner may read unnoticed.
        return os.open(path, flags)
