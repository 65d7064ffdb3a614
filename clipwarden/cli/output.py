"""Where results go: stdout, one file, or a folder with one file per input."""

from __future__ import annotations

import io
import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clipwarden.cli.show import print_documents
from clipwarden.errors import OutputFailed
from worker.document import ResultDocument

_FILE_WIDTH = 100

# What Linux and macOS file systems allow.
_MAX_NAME_BYTES = 255


class ResultFormat(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


OutputFormat = Annotated[
    ResultFormat, typer.Option("--format", "-f", help="A table for people, JSON or JSON lines.")
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|FOLDER/|-",
        help="Write results to this file, or one per input into this folder/; - is stdout.",
    ),
]


@dataclass(frozen=True)
class Target:
    """A file for all results, or a folder for one file per input."""

    path: Path
    is_folder: bool

    @classmethod
    def prepare(cls, name: str, option: str = "--output") -> Target:
        """Make the folders a name needs, before any work is done; raises OutputFailed.

        A name is a folder's if one is there, or if it ends with a slash.
        """
        path = Path(name)
        try:
            is_folder = path.is_dir() or name.endswith(os.sep)
            folder = path if is_folder else path.parent
            folder.mkdir(parents=True, exist_ok=True)
            place = path if path.exists() else folder
        except OSError as error:
            raise OutputFailed(_unwritable(path, error), f"Choose another {option}.") from error
        if not os.access(place, os.W_OK):
            raise OutputFailed(f"{place} may not be written to.", f"Choose another {option}.")
        return cls(path, is_folder)


def prepare_report(name: str) -> Path:
    """Make the folders a report's name needs; raises OutputFailed where it names a folder."""
    target = Target.prepare(name, "--report")
    if target.is_folder:
        raise OutputFailed(
            f"{name} is a folder, and a report is one file.",
            f"Name the file: --report {target.path / 'report.html'}.",
        )
    return target.path


@dataclass(frozen=True)
class Results:
    """How and where the results of a number of inputs are written; no target means stdout."""

    format: ResultFormat
    target: Target | None
    inputs: int

    @property
    def are_streamed(self) -> bool:
        """Whether results go out one by one: JSON lines on stdout do."""
        return self.format is ResultFormat.JSONL and self.target is None

    def add(self, document: ResultDocument) -> None:
        """Print a streamed result; raises OutputFailed, BrokenPipeError."""
        if self.are_streamed:
            with writing_stdout():
                sys.stdout.write(self._render([document]))

    def finish(self, documents: Sequence[ResultDocument]) -> None:
        """Write what was not streamed, be it all or what an ended run has; raises OutputFailed."""
        if self.are_streamed or not documents:
            return
        if self.target is None:
            with writing_stdout():
                if self.format is ResultFormat.TABLE:
                    print_documents(Console(), documents)
                else:
                    sys.stdout.write(self._render(documents))
        elif self.target.is_folder:
            _write_files(self._files(self.target.path, documents))
        else:
            _write_files([(self.target.path, self._render(documents))])

    def _render(self, documents: Sequence[ResultDocument]) -> str:
        """JSON is one object for one input, and an array for several, however many ended."""
        if self.format is ResultFormat.JSONL:
            return "".join(f"{document.to_json()}\n" for document in documents)
        if self.format is ResultFormat.JSON:
            objects = [json.loads(document.to_json()) for document in documents]
            return json.dumps(objects[0] if self.inputs == 1 else objects, indent=2) + "\n"
        buffer = io.StringIO()
        print_documents(Console(file=buffer, width=_FILE_WIDTH), documents)
        return buffer.getvalue()

    def _files(
        self, folder: Path, documents: Sequence[ResultDocument]
    ) -> Iterator[tuple[Path, str]]:
        suffix = ".txt" if self.format is ResultFormat.TABLE else f".{self.format}"
        one = Results(self.format, self.target, inputs=1)
        names = file_names([document.video.source for document in documents], suffix)
        for name, document in zip(names, documents, strict=True):
            yield folder / name, one._render([document])


def file_names(sources: Sequence[str], suffix: str) -> list[str]:
    """Name a file after each source, at most 255 bytes long; sources of one name are numbered.

    No two names are equal, nor would be where a file system ignores case.
    """
    taken: set[str] = set()
    names = []
    for source in sources:
        stem, number = Path(source).stem or "result", 1
        name = _file_name(stem, suffix)
        while _folded(name) in taken:
            number += 1
            name = _file_name(stem, f"-{number}{suffix}")
        taken.add(_folded(name))
        names.append(name)
    return names


@contextmanager
def writing_stdout() -> Iterator[None]:
    """See off what is written to stdout in the block; raises OutputFailed where that fails.

    BrokenPipeError is passed on: the reader has had enough, which is no error to tell.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_stdout()
        raise OutputFailed(
            _unwritable("stdout", error), "Make room, or write to a file with --output."
        ) from error


def discard_stdout() -> None:
    """Let what is still buffered go nowhere: flushing it on the way out would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write_files(files: Iterable[tuple[Path, str]]) -> None:
    """Write all that can be written; raises OutputFailed that names the first that can't."""
    written, failures = 0, []
    for path, text in files:
        try:
            path.write_text(text, encoding="utf-8")
            written += 1
        except OSError as error:
            failures.append(_unwritable(path, error))
    if failures:
        total = written + len(failures)
        count = "" if total == 1 else f"{len(failures)} of {total} results are lost, the first: "
        raise OutputFailed(f"{count}{failures[0]}", "Choose another --output.")


def _file_name(stem: str, ending: str) -> str:
    room = _MAX_NAME_BYTES - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore") + ending


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _unwritable(place: Path | str, error: OSError) -> str:
    return f"{place} can't be written: {error.strerror or error}."
