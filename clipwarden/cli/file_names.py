"""Names of files that are written one per input."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

# What Linux and macOS file systems allow.
_MAX_NAME_BYTES = 255


def file_names(sources: Sequence[str], suffix: str) -> list[str]:
    """Name a file after each source, at most 255 bytes long; sources of one name are numbered.

    No two names are equal, nor would be where a file system ignores case.
    """
    taken: set[str] = set()
    names = []
    for source in sources:
        stem, number = Path(source).stem or "result", 1
        name = _file_name(stem, suffix)
        while _folded(name) in taken:
            number += 1
            name = _file_name(stem, f"-{number}{suffix}")
        taken.add(_folded(name))
        names.append(name)
    return names


def _file_name(stem: str, ending: str) -> str:
    room = _MAX_NAME_BYTES - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore") + ending


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
