"""A path whose file tells how much of it was read: one of many gigabytes takes minutes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path, PosixPath
from typing import Any

OnRead = Callable[[int], None]
"""Told the number of bytes just read."""


class CountedPath(PosixPath):
    """A path that is opened for reading only, and counts what is read from it."""

    _on_read: OnRead

    @classmethod
    def of(cls, path: Path, on_read: OnRead) -> CountedPath:
        """Count what is read of a path."""
        counted = cls(path)
        counted._on_read = on_read
        return counted

    def open(self, mode: str = "r", *_: Any, **__: Any) -> Any:
        """Open the file as buffered bytes; raises OSError."""
        if mode != "rb":
            raise ValueError(f"a counted path is opened to read bytes, not with mode {mode!r}")
        return io.BufferedReader(_CountedFile(self, self._on_read))


class _CountedFile(io.FileIO):
    def __init__(self, path: Path, on_read: OnRead) -> None:
        super().__init__(path, "rb")
        self._on_read = on_read

    def readinto(self, buffer: Any, /) -> int | None:
        """Read into a buffer and tell how much that was."""
        size = super().readinto(buffer)
        self._on_read(size or 0)
        return size
