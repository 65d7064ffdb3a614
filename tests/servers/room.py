"""Disks that are really full, as small as a test wants them."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def small_disks() -> list[str]:
    """The ways to run out of room on this machine: mounting a disk needs rights."""
    ways = ["largest file"]
    if os.geteuid() == 0:
        with tempfile.TemporaryDirectory() as name:
            done = subprocess.run(_mount(Path(name), 64 * 1024), capture_output=True, check=False)
            if done.returncode == 0:
                subprocess.run(["umount", name], check=True)
                ways.append("small disk")
    return ways


@contextmanager
def little_room(way: str, folder: Path, size_bytes: int) -> Iterator[None]:
    """Let no more than so many bytes be written: into one file, or below the folder."""
    if way == "small disk":
        subprocess.run(_mount(folder, size_bytes), check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _mount(folder: Path, size_bytes: int) -> list[str]:
    return ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
