"""Pictures and lists that the words of a command line name, standard input among them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from clipwarden.embedding.images import Named, named_pictures, read_names

_STDIN = "-"

Images = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="IMAGE|FOLDER|-",
        help="Picture files, folders of them, - for a list of names on standard input.",
        show_default=False,
    ),
]
FromFile = Annotated[
    str | None,
    typer.Option(metavar="LIST", help="A file with names of pictures, one a line; - is stdin."),
]


def pictures_of(images: list[str] | None, from_file: str | None) -> list[Named]:
    """All pictures that are named, in that order; a list stands in place of its `-`."""
    words = images or []
    if (*words, from_file).count(_STDIN) > 1:
        raise typer.BadParameter("standard input (-) can be read once.")
    return list(named_pictures(_words(words, from_file), tell))


def _words(words: Iterable[str], from_file: str | None) -> Iterator[str]:
    for word in words:
        if word == _STDIN:
            yield from read_names(_stdin())
        else:
            yield word
    if from_file is not None:
        with opened_list(from_file, "--from-file") as lines:
            yield from read_names(lines)


@contextmanager
def opened_list(name: str, option: str) -> Iterator[BinaryIO]:
    """Open the list that an option names; a usage error where it can't be read."""
    if name == _STDIN:
        yield _stdin()
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise typer.BadParameter(
            f"{name} can't be read: {error.strerror or error}.", param_hint=option
        ) from error
    with file:
        yield file


def _stdin() -> BinaryIO:
    # A shell can close it.
    if sys.stdin is None:
        raise typer.BadParameter("standard input (-) is closed.")
    return sys.stdin.buffer


def tell(words: str) -> None:
    """Write a line to stderr."""
    typer.echo(words, err=True)
