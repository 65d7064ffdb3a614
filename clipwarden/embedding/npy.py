"""Vectors as NPY, with a JSON neighbour that says what each row is of."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from clipwarden.embedding.rows import Failure, Row


class NpyFile:
    """Writes float32 `[n, dimension]`; rows go out as they come, and the count at the end.

    `neighbour` takes the JSON, one line per row; without one nothing but vectors is written.
    """

    def __init__(self, file: IO[bytes], neighbour: IO[bytes] | None, facts: Mapping[str, object]):
        self._file = file
        self._dimension = facts["dimension"]
        self._rows = 0
        self._list = None if neighbour is None else _RowList(neighbour, facts)
        self._body_at = self._write_header()

    def add(self, rows: Sequence[Row], vectors: NDArray[np.float32]) -> None:
        """Append a vector for each row; raises OSError."""
        self._file.write(np.ascontiguousarray(vectors, "<f4").data)
        self._rows += len(rows)
        if self._list is not None:
            self._list.add(rows)

    def fail(self, failure: Failure) -> None:
        """Note an input that has no row; raises OSError."""
        if self._list is not None:
            self._list.fail(failure)

    def finish(self) -> None:
        """Write the count into the header, and the end of the list; raises OSError."""
        self._file.seek(0)
        assert self._write_header() == self._body_at, "the header has room for any count"
        self._file.seek(0, 2)
        if self._list is not None:
            self._list.finish()

    def abandon(self) -> None:
        """Close what lies beside the file."""
        if self._list is not None:
            self._list.abandon()

    def _write_header(self) -> int:
        # numpy leaves room in it for the first axis to grow to any length.
        facts = {
            "descr": "<f4",
            "fortran_order": False,
            "shape": (self._rows, self._dimension),
        }
        npy_format.write_array_header_1_0(self._file, facts)
        return self._file.tell()


class _RowList:
    """One JSON object: the facts, `rows` in the order of the vectors, and what `failed`."""

    def __init__(self, file: IO[bytes], facts: Mapping[str, object]) -> None:
        self._file = file
        self._rows = 0
        # Failures come last in the file, and there may be a million of them, too.
        self._failed = tempfile.TemporaryFile()  # noqa: SIM115 - closed in the end
        self._failures = 0
        head = json.dumps(facts, indent=1).removesuffix("\n}")
        self._file.write(f'{head},\n "rows": ['.encode())

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._file.write(_line(row.to_fields(), is_first=self._rows == 0))
            self._rows += 1

    def fail(self, failure: Failure) -> None:
        self._failed.write(_line(failure.to_fields(), is_first=self._failures == 0))
        self._failures += 1

    def finish(self) -> None:
        self._file.write(b'\n ],\n "failed": [')
        with self._failed:
            self._failed.seek(0)
            shutil.copyfileobj(self._failed, self._file)
        self._file.write(b"\n ]\n}\n")

    def abandon(self) -> None:
        # A full disk refuses what is still buffered once more.
        with contextlib.suppress(OSError):
            self._failed.close()


def _line(fields: Mapping[str, object], *, is_first: bool) -> bytes:
    return f"{'' if is_first else ','}\n  {json.dumps(fields)}".encode()
