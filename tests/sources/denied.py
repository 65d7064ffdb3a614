"""Folders that may not be read, also by who may read everything."""

from __future__ import annotations

import os
from pathlib import Path


class Denied:
    """Lists folders as `os.scandir` does, but for one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._scandir = os.scandir

    def __call__(self, folder: Path) -> os._ScandirIterator[str]:
        """List a folder; raises PermissionError for the one."""
        if folder == self._folder:
            raise PermissionError(13, "Permission denied")
        return self._scandir(os.fspath(folder))
