"""Keeping the logs of processes that run for months from filling the disk."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

MAX_LOG_BYTES = 20 * 1024 * 1024

ROTATION_PERIOD_S = 30.0


def rotate_log(path: Path) -> None:
    """Move what a log holds to `NAME.1` once it is over MAX_LOG_BYTES; the older one is lost.

    The file itself stays, for a living process appends to it; a line written between the copy
    and the cut is lost. Where the copy finds no room, the log is cut all the same.
    """
    with contextlib.suppress(OSError):
        if path.stat().st_size <= MAX_LOG_BYTES:
            return
        old = path.with_name(f"{path.name}.1")
        try:
            shutil.copyfile(path, old)
        except OSError:
            old.unlink(missing_ok=True)
        os.truncate(path, 0)
