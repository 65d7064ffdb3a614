"""Which picture files the words of a command line name; a million of them is not too many."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import MediaError, MediaIsFolder, MediaNotFound, SourceUnsupported
from ingest.media.check import displayed_name
from ingest.sources.naming import LocalPath, parse_source, shown_text

_SUFFIX = re.compile(r"\.(?:apng|avif|bmp|gif|jpe?g|png|tiff?|webp)", re.IGNORECASE)
_NUMBER = re.compile(r"0*(0|[1-9][0-9]*)")


@dataclass(frozen=True)
class Unfit:
    """A word that leads to no picture, and why."""

    source: str
    error: MediaError


Named = str | Unfit
"""A path as it was named, or what can't be one. Plain text: a million of them stay small."""


def named_pictures(words: Iterable[str], tell: Callable[[str], None]) -> Iterator[Named]:
    """Yield the files that words name, in that order, folders as the pictures in them.

    `tell` hears what of a folder is passed over.
    """
    for word in words:
        try:
            source = parse_source(word)
            if not isinstance(source, LocalPath):
                raise SourceUnsupported(
                    f"{displayed_name(source.shown)}: not a file on this machine.",
                    "Download it first; `clipwarden analyze` takes addresses.",
                )
            if not os.path.isdir(word):  # noqa: PTH112 - quicker, and there may be many
                yield word
            else:
                yield from _in_folder(word, tell)
        except MediaError as error:
            yield Unfit(shown_text(word), error)


def natural_order(name: str) -> str:
    """A key by which `img2` comes before `img10`, and upper case beside lower."""
    # A number with its length in front sorts as text like a number.
    return _NUMBER.sub(lambda match: f"{len(match[1]):03}{match[1]}", name.casefold())


def _in_folder(folder: str, tell: Callable[[str], None]) -> Iterator[str]:
    found = passed_over = 0
    unreadable: list[str] = []
    for path, is_picture in _walk(folder, unreadable):
        found += is_picture
        passed_over += not is_picture
        if is_picture:
            yield path
    name = displayed_name(shown_text(folder))
    if unreadable:
        more = f" and {len(unreadable) - 1} more" if len(unreadable) > 1 else ""
        tell(f"warning: {name}: {displayed_name(unreadable[0])}{more} can't be read.")
    if not found and not unreadable:
        raise MediaIsFolder(
            f"{name}: a folder without a file that has the suffix of a picture.",
            "Name the files themselves.",
        )
    if not found and folder in unreadable:
        raise MediaNotFound(f"{name}: may not be read.", "Check who may read it.")
    if passed_over and found:
        tell(
            f"{name}: {found} pictures; passed over, by their suffix or as hidden files and "
            f"links: {passed_over}."
        )


def _walk(folder: str, unreadable: list[str]) -> Iterator[tuple[str, bool]]:
    """Yield what is no folder, in natural order, and whether it is a picture by its suffix.

    Hidden files and folders are passed over, and no link is followed but `folder` itself, as one
    could lead out of it.
    """
    waiting = [(folder, True, False)]
    while waiting:
        path, is_folder, is_picture = waiting.pop()
        if not is_folder:
            yield path, is_picture
            continue
        try:
            waiting += reversed(_look(path))
        except FileNotFoundError:
            # Deleted or renamed meanwhile.
            continue
        except OSError:
            unreadable.append(path)


def _look(folder: str) -> list[tuple[str, bool, bool]]:
    """Paths in a folder in natural order, whether each is a folder, and whether a picture."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            is_hidden = entry.name.startswith(".")
            if entry.is_dir(follow_symlinks=False):
                if not is_hidden:
                    found.append((entry.path, True, False))
            else:
                found.append((entry.path, False, not is_hidden and _is_picture(entry)))
    return sorted(found, key=lambda one: (natural_order(one[0]), one[0]))


def _is_picture(entry: os.DirEntry[str]) -> bool:
    if not entry.is_file(follow_symlinks=False):
        return False
    return _SUFFIX.fullmatch(os.path.splitext(entry.name)[1]) is not None  # noqa: PTH122


def read_names(source: Iterable[bytes]) -> Iterator[str]:
    """The names in a list, one a line; names need not be text, and empty lines count nothing."""
    for line in source:
        if name := line.rstrip(b"\r\n"):
            yield os.fsdecode(name)


def read_texts(source: Iterable[bytes]) -> Iterator[str]:
    """The texts in a list, one a line; raises UnicodeDecodeError where they are not UTF-8."""
    for number, line in enumerate(source):
        text = line.decode("utf-8-sig" if number == 0 else "utf-8").strip()
        if text:
            yield text


def shown_path(path: str) -> str:
    """A path as text; bytes that are none are escaped."""
    return LocalPath(Path(path)).shown
