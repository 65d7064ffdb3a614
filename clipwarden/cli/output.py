"""Where results go: stdout, one file, or a folder with one file per input."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clipwarden.cli.errors import print_error, print_failure
from clipwarden.cli.file_names import file_names
from clipwarden.cli.show import print_documents
from clipwarden.errors import OutputFailed
from clipwarden.exports.formats import (
    TableFormat,
    VideoFormat,
    export_table,
    export_video,
    require_extra,
)
from prompts.errors import ClipwardenError
from worker.document import ResultDocument

_FILE_WIDTH = 100


class ResultFormat(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    VTT = "vtt"
    SRT = "srt"
    EDL = "edl"
    FCPXML = "fcpxml"
    OTIO = "otio"


_TABLES: frozenset[str] = frozenset(TableFormat)
_VIDEOS: frozenset[str] = frozenset(VideoFormat)

OutputFormat = Annotated[
    ResultFormat,
    typer.Option(
        "--format",
        "-f",
        help="A table for people, JSON (lines), CSV, Parquet; or, one file per video, subtitles or "
        "a cut list.",
    ),
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
    """How and where the results of a number of inputs are written; no target means stdout.

    `fps` goes before the videos' own frame rates where a format counts frames.
    """

    format: ResultFormat
    target: Target | None
    inputs: int
    fps: Fraction | None = None

    @classmethod
    def prepare(
        cls,
        result_format: ResultFormat,
        output: str | None,
        inputs: int,
        fps: Fraction | None = None,
    ) -> Results:
        """See, before any work is done, that results can go where an option says.

        Raises OutputFailed, ExtraMissing, and a usage error where a format describes one video and
        several are to go into one file.
        """
        require_extra(result_format)
        target = Target.prepare(output) if output and output != "-" else None
        is_one_file = target is None or not target.is_folder
        if result_format in _VIDEOS and inputs > 1 and is_one_file:
            raise typer.BadParameter(
                f"{result_format} describes one video: for {inputs} of them name a folder, "
                "--output FOLDER/.",
                param_hint="--output",
            )
        if result_format is ResultFormat.PARQUET and target is None and sys.stdout.isatty():
            raise typer.BadParameter("Parquet is no text: name a file.", param_hint="--output")
        return cls(result_format, target, inputs, fps)

    @property
    def are_streamed(self) -> bool:
        """Whether results go out one by one: JSON lines on stdout do."""
        return self.format is ResultFormat.JSONL and self.target is None

    def add(self, document: ResultDocument) -> None:
        """Print a streamed result; raises OutputFailed, BrokenPipeError."""
        if self.are_streamed:
            with writing_stdout():
                sys.stdout.write(self._render([document]).decode())

    def finish(self, documents: Sequence[ResultDocument]) -> None:
        """Write what was not streamed, be it all or what an ended run has.

        Formats that have no words for it leave out what failed, and that goes to stderr. Raises
        OutputFailed, and what `export_video` raises once all others are written.
        """
        if self.are_streamed:
            return
        written = self._without_failures(documents)
        if not written:
            return
        if self.target is None:
            self._print(written)
        elif self.target.is_folder:
            self._write_folder(self.target.path, written)
        else:
            _write_files([(self.target.path, self._render(written))])

    def _without_failures(self, documents: Sequence[ResultDocument]) -> Sequence[ResultDocument]:
        """What the format can tell, after telling on stderr what it can't."""
        if self.format not in _TABLES | _VIDEOS:
            return documents
        for document in documents:
            if document.error is not None:
                print_failure(document.error)
        if self.format in _TABLES:
            return documents
        return [document for document in documents if document.error is None]

    def _write_folder(self, folder: Path, documents: Sequence[ResultDocument]) -> None:
        refused: list[ClipwardenError] = []
        _write_files(self._files(folder, documents, refused))
        for error in refused[:-1]:
            print_error(error)
        if refused:
            raise refused[-1]

    def _print(self, documents: Sequence[ResultDocument]) -> None:
        with writing_stdout():
            if self.format is ResultFormat.TABLE:
                print_documents(Console(), documents)
            elif self.format is ResultFormat.PARQUET:
                sys.stdout.buffer.write(self._render(documents))
            else:
                sys.stdout.write(self._render(documents).decode())

    def _render(self, documents: Sequence[ResultDocument]) -> bytes:
        """JSON is one object for one input, and an array for several, however many ended."""
        if self.format in _TABLES:
            return export_table(TableFormat(self.format), documents)
        if self.format in _VIDEOS:
            [document] = documents
            return export_video(VideoFormat(self.format), document, self.fps)
        if self.format is ResultFormat.JSONL:
            return "".join(f"{document.to_json()}\n" for document in documents).encode()
        if self.format is ResultFormat.JSON:
            objects = [json.loads(document.to_json()) for document in documents]
            text = json.dumps(objects[0] if self.inputs == 1 else objects, indent=2)
            return f"{text}\n".encode()
        buffer = io.StringIO()
        print_documents(Console(file=buffer, width=_FILE_WIDTH), documents)
        return buffer.getvalue().encode()

    def _files(
        self, folder: Path, documents: Sequence[ResultDocument], refused: list[ClipwardenError]
    ) -> Iterator[tuple[Path, bytes]]:
        """A file per document; those that the format can't hold are added to `refused`."""
        suffix = ".txt" if self.format is ResultFormat.TABLE else f".{self.format}"
        one = Results(self.format, self.target, inputs=1, fps=self.fps)
        names = file_names([document.video.source for document in documents], suffix)
        for name, document in zip(names, documents, strict=True):
            try:
                content = one._render([document])
            except ClipwardenError as error:
                refused.append(error)
            else:
                yield folder / name, content


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


def _write_files(files: Iterable[tuple[Path, bytes]]) -> None:
    """Write all that can be written; raises OutputFailed that names the first that can't."""
    written, failures = 0, []
    for path, content in files:
        try:
            path.write_bytes(content)
            written += 1
        except OSError as error:
            failures.append(_unwritable(path, error))
    if failures:
        total = written + len(failures)
        count = "" if total == 1 else f"{len(failures)} of {total} results are lost, the first: "
        raise OutputFailed(f"{count}{failures[0]}", "Choose another --output.")


def _unwritable(place: Path | str, error: OSError) -> str:
    return f"{place} can't be written: {error.strerror or error}."
