"""Cheap checks of an input before a process is started for it."""

from __future__ import annotations

import stat
from pathlib import Path

from ingest.errors import MediaEmpty, MediaIsFolder, MediaNotFound, MediaUnreadable

_MAX_SHOWN = 200
"""Characters of a file name that an error message repeats."""


def displayed_name(name: str) -> str:
    """Return the name fit for one line of a terminal or log: unprintable characters escaped."""
    shown = name if len(name) <= _MAX_SHOWN else f"{name[: _MAX_SHOWN - 3]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def check_input(path: Path) -> None:
    """Refuse what can't be a video file, without looking into it.

    Raises MediaNotFound, MediaIsFolder, MediaEmpty, or MediaUnreadable for pipes and devices.
    """
    name = displayed_name(str(path))
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise MediaNotFound(f"{name}: no such file.", "Check the path.") from error
    except (OSError, ValueError) as error:
        raise MediaNotFound(f"{name}: {_reason(error)}.", "Check the path.") from error
    if stat.S_ISDIR(status.st_mode):
        raise MediaIsFolder(
            f"{name}: a folder, not a video file.",
            f"Name the files in it, for example {name.rstrip('/')}/*.mp4.",
        )
    if not stat.S_ISREG(status.st_mode):
        raise MediaUnreadable(
            f"{name}: a pipe, socket or device, not a file.", "Store the video as a file first."
        )
    if status.st_size == 0:
        raise MediaEmpty(f"{name}: an empty file.", "Copy or download it again.")
    try:
        path.open("rb").close()
    except OSError as error:
        raise MediaNotFound(
            f"{name}: can't be opened ({_reason(error)}).", "Give this user read permission."
        ) from error


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "not a possible path"
