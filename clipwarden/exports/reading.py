"""Reads result documents that were written to files earlier, as JSON or JSON lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import from_json

from clipwarden.errors import ResultUnreadable
from ingest.media.check import displayed_name
from worker.document import ResultDocument


def read_documents(path: Path) -> list[ResultDocument]:
    """The documents of a file: one object, an array, or one a line; raises ResultUnreadable.

    Files of earlier releases are read, too: what they lack is optional.
    """
    name = displayed_name(str(path))
    try:
        text = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ResultUnreadable(f"{name} can't be read: {reason}.", "Check the path.") from error
    try:
        documents = [ResultDocument.model_validate(value) for value in _values(text)]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _no_result(name, displayed_name(f"{place}: {first['msg']}")) from error
    except ValueError as error:
        raise _no_result(name, displayed_name(str(error))) from error
    if not documents:
        raise _no_result(name, "it is empty")
    return documents


def _values(text: bytes) -> Sequence[object]:
    """The JSON values of a file; raises ValueError where it is neither JSON nor lines of it."""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        value = from_json(text)
    except ValueError:
        if len(lines) < 2:
            raise
        return [from_json(line) for line in lines]
    return value if isinstance(value, list) else [value]


def _no_result(name: str, reason: str) -> ResultUnreadable:
    return ResultUnreadable(
        f"{name} holds no results: {reason}.",
        "Name a file that `clipwarden analyze --format json` or jsonl wrote.",
    )
