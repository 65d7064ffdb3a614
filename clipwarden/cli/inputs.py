"""What the words of a command line name: folders become the files in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from clipwarden.intake import Input, Unfit
from ingest.errors import MediaError, MediaIsFolder
from ingest.media.check import displayed_name
from ingest.sources.folders import list_folder
from ingest.sources.naming import LocalPath, parse_source, shown_text


@dataclass(frozen=True)
class Inputs:
    """The inputs of one command; `are_several` also where a folder holds a single file."""

    sources: tuple[Input, ...]
    are_several: bool

    @property
    def count(self) -> int:
        """How many results to expect, at least two where they are several: JSON is an array."""
        return max(len(self.sources), 2) if self.are_several else 1


def named_inputs(texts: Sequence[str]) -> Inputs:
    """Turn words into inputs, folders into the files in them, and say what is passed over.

    What can't be read is an input, too, that fails alone. Raises typer.BadParameter where
    standard input is named twice.
    """
    if texts.count("-") > 1:
        raise typer.BadParameter("standard input (-) can be read once.")
    found = [one for text in texts for one in _named(text)]
    are_several = len(texts) > 1 or any(_is_folder(text) for text in texts)
    return Inputs(tuple(found), are_several)


def watched_folders(texts: Sequence[str]) -> tuple[Path, ...]:
    """The folders that words name; raises typer.BadParameter for anything else."""
    for text in texts:
        if not _is_folder(text):
            raise typer.BadParameter(f"{displayed_name(shown_text(text))} is no folder to watch.")
    return tuple(Path(text) for text in dict.fromkeys(texts))


def unreadable_words(paths: Sequence[Path]) -> str:
    """Say what of a folder can't be looked at: the first by its name."""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{displayed_name(str(paths[0]))}{more} can't be read"


def _named(text: str) -> Iterator[Input]:
    try:
        source = parse_source(text)
        if isinstance(source, LocalPath) and _is_folder(text):
            yield from _in_folder(source)
        else:
            yield source
    except MediaError as error:
        yield Unfit(shown_text(text), error)


def _in_folder(folder: LocalPath) -> Iterator[Input]:
    listing = list_folder(folder.path)
    name = displayed_name(folder.shown)
    if listing.passed_over and listing.files:
        typer.echo(
            f"{name}: {len(listing.files)} files to analyse; passed over, by their suffix or as "
            f"hidden files and links: {listing.passed_over}.",
            err=True,
        )
    if listing.unreadable:
        typer.echo(f"warning: {name}: {unreadable_words(listing.unreadable)}.", err=True)
    if not listing.files:
        raise MediaIsFolder(
            f"{name}: a folder without a file that has the suffix of a video or picture.",
            "Name the files themselves.",
        )
    for path, state in listing.files.items():
        yield LocalPath(path, state)


def _is_folder(text: str) -> bool:
    try:
        return isinstance(parse_source(text), LocalPath) and Path(text).is_dir()
    except (MediaError, OSError, ValueError):
        return False
