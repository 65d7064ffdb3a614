"""Where vectors go, and in which form."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from clipwarden.embedding.draft import Draft, FileDraft, StdoutDraft, unwritable
from clipwarden.embedding.npy import NpyFile
from clipwarden.embedding.parquet import ParquetFile, require_pyarrow
from clipwarden.embedding.rows import SCHEMA, VectorFile
from clipwarden.errors import OutputFailed
from clipwarden.interrupts import interrupts_held

STDOUT = "-"
_HEAD_BYTES = 200


class VectorFormat(StrEnum):
    """How vectors are written."""

    NPY = "npy"
    PARQUET = "parquet"


@dataclass(frozen=True)
class VectorTarget:
    """A file, or stdout where `path` is None, and what is written there."""

    path: Path | None
    format: VectorFormat

    @classmethod
    def named(cls, name: str, wanted: VectorFormat | None) -> VectorTarget:
        """Read `--output` and `--format`; the suffix decides where no format is wanted.

        Raises OutputFailed for names of which neither tells, for binary output on a terminal, and
        where pyarrow is missing.
        """
        if name == STDOUT and sys.stdout.isatty():
            raise OutputFailed(
                "vectors are no text, and stdout is a terminal.",
                "Name a file: --output vectors.npy; or pipe them on.",
            )
        found = wanted or (VectorFormat.NPY if name == STDOUT else _format_of(name))
        if found is VectorFormat.PARQUET:
            require_pyarrow()
        if not Path(name).name:
            raise OutputFailed(f"{name or 'an empty name'} is a folder.", "Name a file in it.")
        target = cls(None if name == STDOUT else Path(name), found)
        if target.neighbour is not None and target.neighbour == target.path:
            raise OutputFailed(f"{name} is where the list of rows goes.", "Name it vectors.npy.")
        return target

    @property
    def neighbour(self) -> Path | None:
        """The JSON file beside an NPY file."""
        if self.path is None or self.format is not VectorFormat.NPY:
            return None
        return self.path.with_suffix(".json")


@dataclass(frozen=True)
class Drafts:
    """The files of one run that have no name yet."""

    format: VectorFormat
    vectors: Draft
    neighbour: Draft | None

    def begin(self, facts: Mapping[str, object]) -> VectorFile:
        """Start writing; `facts` say how all vectors are made."""
        if self.format is VectorFormat.PARQUET:
            return ParquetFile(self.vectors.file, facts)
        neighbour = None if self.neighbour is None else self.neighbour.file
        return NpyFile(self.vectors.file, neighbour, facts)

    def keep(self) -> None:
        """Give the files their names; an interruption waits until both have them."""
        if self.neighbour is None:
            self.vectors.keep()
            return
        # A disk that gets full now leaves both files as they were.
        self.neighbour.write_out()
        self.vectors.write_out()
        with interrupts_held():
            self.neighbour.keep()
            self.vectors.keep()


@contextmanager
def drafts_of(target: VectorTarget) -> Iterator[Drafts]:
    """Open what is to be written; what is not kept is gone. Raises OutputFailed."""
    with ExitStack() as stack:
        try:
            path, neighbour = target.path, target.neighbour
            if neighbour is not None:
                _require_replaceable(neighbour)
            vectors: Draft = StdoutDraft() if path is None else FileDraft(path)
            stack.enter_context(vectors)
            beside = None if neighbour is None else stack.enter_context(FileDraft(neighbour))
            yield Drafts(target.format, vectors, beside)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise unwritable(str(target.path or "stdout"), error) from error


def _require_replaceable(neighbour: Path) -> None:
    """Nobody named this file: only a list of ours, or an empty one, is replaced."""
    if not neighbour.is_file():
        return
    with neighbour.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head and SCHEMA.rpartition("/")[0].encode() not in head:
        raise OutputFailed(
            f"the list of rows would replace {neighbour}, which is something else.",
            "Choose another --output.",
        )


def _format_of(name: str) -> VectorFormat:
    suffix = Path(name).suffix.lower().removeprefix(".")
    if suffix not in set(VectorFormat):
        raise OutputFailed(
            f"{name}: its suffix names no format of ours.",
            "Name it vectors.npy or vectors.parquet, or say --format npy or --format parquet.",
        )
    return VectorFormat(suffix)
