"""A file that gets its name once it is whole: what ends a run early leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

from clipwarden.cli.output import writing_stdout
from clipwarden.errors import OutputFailed

_ANOTHER = "Choose another --output."


class Draft(Protocol):
    """Bytes on their way; left without `keep`, they are gone."""

    @property
    def file(self) -> IO[bytes]:
        """Where they are written."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def write_out(self) -> None:
        """Do now what may fail of keeping it; raises OSError."""

    def keep(self) -> None:
        """Put the bytes where they belong."""


class FileDraft:
    """A hidden neighbour of the file that it becomes."""

    def __init__(self, path: Path) -> None:
        """Open the neighbour; raises OutputFailed where the file can't be written."""
        try:
            # What a link leads to is replaced, and not the link.
            self._path = path.resolve()
            self._require_replaceable()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # A name that nobody else has, in another container neither, and can't have laid a
            # link at.
            self._draft = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.part")
            self.file: IO[bytes] = self._draft.open("xb+")
        except (OSError, RuntimeError) as error:
            raise unwritable(str(path), error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A full disk refuses what is still buffered once more.
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            self._draft.unlink(missing_ok=True)

    def write_out(self) -> None:
        """Write all to the disk; raises OSError."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def keep(self) -> None:
        """Write all to the disk and rename the file; raises OSError."""
        self.write_out()
        self._draft.replace(self._path)

    def _require_replaceable(self) -> None:
        if self._path.exists() and not stat.S_ISREG(self._path.stat().st_mode):
            raise OutputFailed(f"{self._path} is there and is no ordinary file.", _ANOTHER)


class StdoutDraft:
    """What goes to stdout at the end: a header that counts rows can't be written before."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed on leaving

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()

    def write_out(self) -> None:
        """Nothing: stdout takes back no byte."""

    def keep(self) -> None:
        """Copy all to stdout; raises OutputFailed, BrokenPipeError."""
        self.file.seek(0)
        with writing_stdout():
            shutil.copyfileobj(self.file, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def unwritable(place: str, error: Exception) -> OutputFailed:
    """Say that vectors can't be written to a place, and why."""
    words = getattr(error, "strerror", None) or error
    return OutputFailed(f"{place} can't be written: {words}.", _ANOTHER)
