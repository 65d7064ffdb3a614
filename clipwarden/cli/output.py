"""Where results go: stdout, one file, or a folder with one file per input."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from clipwarden.cli.show import print_documents
from clipwarden.errors import OutputFailed
from worker.document import ResultDocument

_FILE_WIDTH = 100


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


@dataclass(frozen=True)
class Target:
    """A file for all results, or a folder for one file per input."""

    path: Path
    is_folder: bool

    @classmethod
    def prepare(cls, name: str) -> Target:
        """Make the folders a name needs, before any work is done; raises OutputFailed.

        A name is a folder's if one is there, or if it ends with a slash.
        """
        path = Path(name)
        is_folder = path.is_dir() or name.endswith(os.sep)
        folder = path if is_folder else path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _failed(folder, error) from error
        if not os.access(folder, os.W_OK):
            raise OutputFailed(f"{folder} may not be written to.", "Choose another --output.")
        return cls(path, is_folder)


def render(documents: Sequence[ResultDocument], output_format: Format) -> str:
    """Return documents as text: JSON is one object for one input and an array for several."""
    if output_format is Format.JSONL:
        return "".join(f"{document.to_json()}\n" for document in documents)
    if output_format is Format.JSON:
        objects = [json.loads(document.to_json()) for document in documents]
        return json.dumps(objects[0] if len(objects) == 1 else objects, indent=2) + "\n"
    buffer = io.StringIO()
    print_documents(Console(file=buffer, width=_FILE_WIDTH), documents)
    return buffer.getvalue()


def write_output(
    documents: Sequence[ResultDocument], output_format: Format, target: Target
) -> None:
    """Write a file with all documents, or a folder with one file each; raises OutputFailed."""
    try:
        if not target.is_folder:
            target.path.write_text(render(documents, output_format), encoding="utf-8")
            return
        suffix = "txt" if output_format is Format.TABLE else str(output_format)
        for name, document in _names(documents):
            (target.path / f"{name}.{suffix}").write_text(
                render([document], output_format), encoding="utf-8"
            )
    except OSError as error:
        raise _failed(target.path, error) from error


def _names(documents: Sequence[ResultDocument]) -> list[tuple[str, ResultDocument]]:
    """Name each document like its input; inputs of one name are numbered apart."""
    taken: dict[str, int] = {}
    named = []
    for document in documents:
        stem = Path(document.video.source).stem or "result"
        taken[stem] = taken.get(stem, 0) + 1
        named.append((stem if taken[stem] == 1 else f"{stem}-{taken[stem]}", document))
    return named


def _failed(path: Path, error: OSError) -> OutputFailed:
    return OutputFailed(
        f"{path} can't be written: {error.strerror or error}.", "Choose another --output."
    )
