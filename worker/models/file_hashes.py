"""Hashes of large files that are remembered from one run to the next."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from worker.models.hashing import HashProgress, file_sha256

# Smaller ones are hashed faster than they are looked up.
_REMEMBERED_BYTES_MIN = 16 * 1024 * 1024
# A file changed within one tick of the file system's clock can look like the one before.
_SETTLED_S = 2.0
_RECORD_BYTES_MAX = 4 * 1024 * 1024
_ENTRIES_MAX = 2000
_SHA256 = re.compile(r"[0-9a-f]{64}")


class FileHashes:
    """The sha256 of files; those of large ones are kept in a record in the user's cache folder.

    A file counts as unchanged while its size, inode and times of last change (of its bytes and,
    which no program can set, of its inode) are the same. The record is a convenience: where it
    can't be read or written, files are hashed again.
    """

    def __init__(
        self,
        record: Path | None,
        progress: HashProgress | None = None,
        *,
        read_anew: bool = False,
    ) -> None:
        """`read_anew` reads every file once, whatever the record says, and corrects it."""
        self._record = record
        self._progress = progress
        self._known = {} if read_anew else _read(record)

    @classmethod
    def of_user(
        cls, progress: HashProgress | None = None, *, read_anew: bool = False
    ) -> FileHashes:
        """With the record of the user who runs this, where there is a cache folder."""
        folder = user_cache_path("clipwarden")
        record = folder / "file-hashes.json" if folder.is_absolute() else None
        return cls(record, progress, read_anew=read_anew)

    def sha256(self, path: Path) -> str:
        """The sha256 of a file in hex, read or remembered; raises OSError."""
        place, facts = str(path.resolve()), _facts(path)
        known = self._known.get(place)
        if known is not None and known[:-1] == facts:
            return str(known[-1])
        found = file_sha256(path, self._progress)
        if facts == _facts(path):
            self._known[place] = [*facts, found]
            if facts[0] >= _REMEMBERED_BYTES_MIN and _is_settled(path):
                self._remember(place, [*facts, found])
        return found

    def _remember(self, place: str, entry: list[Any]) -> None:
        if self._record is None:
            return
        # Read again: another process may have written meanwhile.
        entries = {name: one for name, one in _read(self._record).items() if Path(name).exists()}
        entries[place] = entry
        text = json.dumps(dict(list(entries.items())[-_ENTRIES_MAX:]))
        with contextlib.suppress(OSError):
            self._record.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._record.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(self._record)


def _facts(path: Path) -> list[int]:
    about = path.stat()
    return [about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino, about.st_dev]


def _is_settled(path: Path) -> bool:
    about = path.stat()
    return time.time() - max(about.st_mtime, about.st_ctime) > _SETTLED_S


def _read(record: Path | None) -> dict[str, list[Any]]:
    """The entries of a record, without those that are none."""
    try:
        if record is None or record.stat().st_size > _RECORD_BYTES_MAX:
            return {}
        content = json.loads(record.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    entries = content.items() if isinstance(content, dict) else ()
    return {name: entry for name, entry in entries if _is_entry(entry)}


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 6
        and isinstance(entry[-1], str)
        and _SHA256.fullmatch(entry[-1]) is not None
    )
