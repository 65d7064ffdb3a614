"""The videos and pictures in a folder and those below it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
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

    device: int
    inode: int
    size_bytes: int
    changed_ns: int
    status_changed_ns: int
    """Also when its rights are changed, or it gets another name."""

    def is_file_of(self, status: os.stat_result) -> bool:
        """Whether that is what `lstat` says of this very file, and of no link to it."""
        is_same = (status.st_dev, status.st_ino) == (self.device, self.inode)
        return is_same and stat.S_ISREG(status.st_mode)


@dataclass(frozen=True)
class Listing:
    """What a folder holds: files to try, by their paths, and how much else there is."""

    files: dict[Path, FileState]
    passed_over: int
    """Files with other suffixes, hidden files, and links."""
    unreadable: tuple[Path, ...]
    """What is below it and can't be looked at now."""


def list_folder(folder: Path) -> Listing:
    """List regular files that have the suffix of a video or picture, sorted by their paths.

    A suffix only says which of an archive's many files are worth a try; what a file is, its
    content tells. Hidden files and folders are passed over (copies of other systems, snapshots,
    what is still being transferred), and no link is followed but `folder` itself, as one could
    lead out of it. Raises MediaNotFound where the folder can't be read.
    """
    found: dict[Path, FileState] = {}
    passed_over = 0
    unreadable: list[Path] = []
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            for path, status in _looked_at(here, unreadable):
                is_hidden = path.name.startswith(".")
                if stat.S_ISDIR(status.st_mode) and not is_hidden:
                    waiting.append(path)
                elif not is_hidden and _is_media(path, status.st_mode):
                    found[path] = file_state(status)
                elif not stat.S_ISDIR(status.st_mode):
                    passed_over += 1
        except OSError as error:
            if here == folder:
                raise _unreadable(folder, error) from error
            # Else it was deleted or renamed meanwhile.
            if not isinstance(error, FileNotFoundError):
                unreadable.append(here)
    return Listing(dict(sorted(found.items())), passed_over, tuple(unreadable))


def file_state(status: os.stat_result) -> FileState:
    """The state of a file, from what `lstat` says of it."""
    return FileState(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )


def _looked_at(folder: Path, unreadable: list[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    """What is in a folder and is still there, added to `unreadable` where that can't be told."""
    with os.scandir(folder) as entries:
        for entry in entries:
            path = folder / entry.name
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError:
                unreadable.append(path)
                continue
            yield path, status


def _is_media(path: PurePath, mode: int) -> bool:
    return stat.S_ISREG(mode) and _SUFFIX.fullmatch(path.suffix) is not None


def _unreadable(folder: Path, error: OSError) -> MediaNotFound:
    is_gone = isinstance(error, FileNotFoundError)
    reason = "no such folder" if is_gone else (error.strerror or str(error)).lower()
    return MediaNotFound(
        f"{displayed_name(str(folder))}: {reason}.", "Check the path, and who may read it."
    )
