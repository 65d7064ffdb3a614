"""Heads are long: a prompt set names their files, and holds their content once it is loaded."""

from __future__ import annotations

import json
from pathlib import Path

from prompts.document import Document, MalformedDocument
from prompts.document import Path as Place
from prompts.examples import below

MAX_HEAD_BYTES = 1024 * 1024
"""A head of 8,192 numbers, written out, is a fifth of it."""

_CURE = "Name a file that `clipwarden train-head` wrote, by its path from the set's own folder."


def fill_in_heads(document: Document, folder: Path | None) -> None:
    """Put the content of head files in the place of their names; raises MalformedDocument.

    `folder` is the set's own, None for one that lies in no folder, which can then name none.
    """
    labels = document.content.get("labels") if isinstance(document.content, dict) else None
    for index, label in enumerate(labels if isinstance(labels, list) else []):
        heads = label.get("heads") if isinstance(label, dict) else None
        for place, head in enumerate(heads if isinstance(heads, list) else []):
            if isinstance(head, str) and isinstance(heads, list):
                heads[place] = _content(head, folder, document, ("labels", index, "heads", place))


def _content(name: str, folder: Path | None, document: Document, place: Place) -> object:
    try:
        path = (folder or Path()) / below(name)
        if folder is None or not path.is_file():
            raise ValueError(f"there is no file {name!a}")
        with path.open("rb") as file:
            content = file.read(MAX_HEAD_BYTES + 1)
        if len(content) > MAX_HEAD_BYTES:
            raise ValueError(f"{name!a} is larger than {MAX_HEAD_BYTES // 1024} KiB")
        return json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        is_json = isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError)
        problem = f"{name!a} is no JSON" if is_json else str(error)
        line = document.line(place)
        raise MalformedDocument(problem, _CURE, line, f"labels[{place[1]}].heads") from error
