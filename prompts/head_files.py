"""Heads are long: a prompt set names their files, and holds their content once it is loaded."""

from __future__ import annotations

import json
from pathlib import Path

from prompts.document import Document, MalformedDocument
from prompts.document import Path as Place
from prompts.examples import below
from prompts.fields import MAX_TEXT_CHARACTERS

MAX_HEAD_BYTES = 1024 * 1024
"""A head of 8,192 numbers, written out, is a fifth of it."""

MAX_HEADS = 1_000
"""Two models for each label that a set may have; short names would else ask for much reading."""

_CURE = "Name a file that `clipwarden train-head` wrote, by its path from the set's own folder."


def fill_in_heads(document: Document, folder: Path | None) -> None:
    """Put the content of head files in the place of their names; raises MalformedDocument.

    `folder` is the set's own, None for one that lies in no folder, which can then name none.
    """
    labels = document.content.get("labels") if isinstance(document.content, dict) else None
    read = 0
    for index, label in enumerate(labels if isinstance(labels, list) else []):
        heads = label.get("heads") if isinstance(label, dict) else None
        for place, head in enumerate(heads if isinstance(heads, list) else []):
            if isinstance(head, str) and isinstance(heads, list):
                where: Place = ("labels", index, "heads", place)
                if read == MAX_HEADS:
                    raise _unusable(f"more than {MAX_HEADS} heads are named", document, where)
                try:
                    heads[place] = _content(head, folder)
                except ValueError as error:
                    raise _unusable(str(error), document, where) from error
                read += 1


def _content(name: str, folder: Path | None) -> object:
    """Read one file's JSON; raises ValueError with what is wrong."""
    path = (folder or Path()) / below(name)
    try:
        if folder is None or not path.is_file():
            raise ValueError(f"there is no file {name!a}")
        with path.open("rb") as file:
            content = file.read(MAX_HEAD_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "an error").lower()
        raise ValueError(f"{name[:MAX_TEXT_CHARACTERS]!a} can't be read: {reason}") from error
    if len(content) > MAX_HEAD_BYTES:
        raise ValueError(f"{name!a} is larger than {MAX_HEAD_BYTES // 1024} KiB")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits is a ValueError, too.
        raise ValueError(f"{name!a} is no JSON that we read") from error


def _unusable(problem: str, document: Document, place: Place) -> MalformedDocument:
    return MalformedDocument(problem, _CURE, document.line(place), f"labels[{place[1]}].heads")
