"""Vectors as Parquet, row group by row group."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from clipwarden.embedding.rows import Failure, Row
from clipwarden.errors import OutputFailed

_GROUP_ROWS = 4096
"""Some 10 MB of vectors are held at a time, and readers find groups worth reading."""
_METADATA = "clipwarden"
_FAILURES = "clipwarden.failed"
_LISTED_FAILURES = 1000
"""The metadata is read by everybody who opens the file; the rest is counted."""


def require_pyarrow() -> None:
    """Raise OutputFailed where pyarrow is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise OutputFailed(
            "Parquet is written with pyarrow, which is not installed here.",
            "Install it: pip install 'clipwarden[parquet]'; or write an .npy file.",
        )


class ParquetFile:
    """Writes `source, sha256, width, height, text, warnings, vector`; what a row has not is null.

    The facts are in the schema's metadata as JSON under `clipwarden`; what failed, under
    `clipwarden.failed`.
    """

    def __init__(self, file: IO[bytes], facts: Mapping[str, object]) -> None:
        # Here: pyarrow is an extra.
        self._arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
        self._schema = self._columns(facts)
        # Vectors don't repeat, and statistics of them say nothing.
        self._writer = parquet.ParquetWriter(
            file, self._schema, use_dictionary=False, write_statistics=False, compression="zstd"
        )
        self._rows: list[Row] = []
        self._vectors: list[NDArray[np.float32]] = []
        self._failed: list[dict[str, object]] = []
        self._failures = 0

    def add(self, rows: Sequence[Row], vectors: NDArray[np.float32]) -> None:
        """Append a vector for each row; raises OSError."""
        self._rows += rows
        self._vectors.append(vectors)
        if len(self._rows) >= _GROUP_ROWS:
            self._write_group()

    def fail(self, failure: Failure) -> None:
        """Note an input that has no row."""
        self._failures += 1
        if len(self._failed) < _LISTED_FAILURES:
            self._failed.append(failure.to_fields())

    def finish(self) -> None:
        """Write the last rows and the footer; raises OSError."""
        self._write_group()
        failed = {"count": self._failures, "first": self._failed}
        self._writer.add_key_value_metadata({_FAILURES: json.dumps(failed)})
        self._writer.close()

    def abandon(self) -> None:
        """Keep pyarrow from writing a footer once the file under it is closed."""
        self._writer.is_open = False

    def _columns(self, facts: Mapping[str, object]) -> Any:
        arrow = self._arrow
        element = arrow.field("element", arrow.float32(), nullable=False)
        return arrow.schema(
            [
                ("source", arrow.string()),
                ("sha256", arrow.string()),
                ("width", arrow.int32()),
                ("height", arrow.int32()),
                ("text", arrow.string()),
                ("warnings", arrow.list_(arrow.string())),
                arrow.field("vector", arrow.list_(element, facts["dimension"]), nullable=False),
            ],
            metadata={_METADATA: json.dumps(facts)},
        )

    def _write_group(self) -> None:
        if not self._rows:
            return
        arrow, schema = self._arrow, self._schema
        names = schema.names[:-1]
        rows = [row.to_fields() for row in self._rows]
        columns = [
            arrow.array([fields.get(name) for fields in rows], schema.field(name).type)
            for name in names
        ]
        numbers = arrow.array(np.concatenate(self._vectors).reshape(-1))
        columns.append(
            arrow.FixedSizeListArray.from_arrays(numbers, type=schema.field("vector").type)
        )
        self._writer.write_table(arrow.Table.from_arrays(columns, schema=schema))
        self._rows, self._vectors = [], []
