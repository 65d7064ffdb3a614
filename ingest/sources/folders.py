"""The videos and pictures in a folder and those below it."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path, PurePath

from ingest.errors import MediaNotFound
from ingest.media.check import displayed_name

_VIDEOS = r"3g2|3gp|avi|f4v|m2ts|m4v|mkv|mov|mp4|mpe?g|mts|qt|ts|vob|webm"
_IMAGES = r"apng|avif|bmp|gif|jpe?g|png|tiff?|webp"
_SUFFIX = re.compile(rf"\.({_VIDEOS}|{_IMAGES})", re.IGNORECASE)


@dataclass(frozen=True)
class FileState:
    """By what a change of a file is noticed without reading it."""

    inode: int
    size_bytes: int
    changed_ns: int


@dataclass(frozen=True)
class Listing:
    """What a folder holds: files to try, by their paths, and how much else there is."""

    files: dict[Path, FileState]
    passed_over: int
    """Files with other suffixes, hidden files, and links."""
    unreadable: int
    """Folders below it that may not be read."""


def list_folder(folder: Path) -> Listing:
    """List regular files that have the suffix of a video or picture, sorted by their paths.

    A suffix only says which of an archive's many files are worth a try; what a file is, its
    content tells. Hidden files and folders are passed over (copies of other systems, snapshots,
    what is still being transferred), and no link is followed but `folder` itself, as one could
    lead out of it. Raises MediaNotFound where the folder can't be read.
    """
    found: dict[Path, FileState] = {}
    passed_over, unreadable = 0, 0
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    path, status = here / entry.name, entry.stat(follow_symlinks=False)
                    is_hidden = entry.name.startswith(".")
                    if stat.S_ISDIR(status.st_mode) and not is_hidden:
                        waiting.append(path)
                    elif not is_hidden and _is_media(path, status.st_mode):
                        found[path] = file_state(status)
                    elif not stat.S_ISDIR(status.st_mode):
                        passed_over += 1
        except FileNotFoundError:
            # Deleted or renamed meanwhile; but not if it is the whole.
            if here == folder:
                raise _unreadable(folder, "no such folder") from None
        except OSError as error:
            if here == folder:
                raise _unreadable(folder, error.strerror or str(error)) from error
            unreadable += 1
    return Listing(dict(sorted(found.items())), passed_over, unreadable)


def file_state(status: os.stat_result) -> FileState:
    """The state of a file, from what `stat` says of it."""
    return FileState(status.st_ino, status.st_size, status.st_mtime_ns)


def _is_media(path: PurePath, mode: int) -> bool:
    return stat.S_ISREG(mode) and _SUFFIX.fullmatch(path.suffix) is not None


def _unreadable(folder: Path, reason: str) -> MediaNotFound:
    return MediaNotFound(
        f"{displayed_name(str(folder))}: {reason.lower()}.", "Check the path, and who may read it."
    )
