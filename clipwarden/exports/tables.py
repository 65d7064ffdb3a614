"""Results as tables, one row per segment: CSV and Parquet."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import io
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from clipwarden.errors import ExtraMissing
from clipwarden.exports.words import no_formula
from worker.document import ResultDocument

Kind = Literal["text", "boolean", "integer", "number"]

COLUMNS: dict[str, Kind] = {
    "source": "text",
    "result_id": "text",
    "status": "text",
    "model": "text",
    "prompt_set": "text",
    "label": "text",
    "parent": "text",
    "start_ms": "integer",
    "end_ms": "integer",
    "peak_ms": "integer",
    "confidence": "number",
    "mean_confidence": "number",
    "frames": "integer",
    "nsfw": "boolean",
    "action": "text",
    "evidence": "text",
}
"""The columns of both formats, and what is in them; `parent` alone may be missing."""


def to_csv(documents: Sequence[ResultDocument]) -> bytes:
    """A header and a row per segment, as RFC 4180 has it, in UTF-8.

    A text that a spreadsheet would take for a formula gets an apostrophe in front: source names
    come from strangers.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in _rows(documents):
        writer.writerow([_cell(row[name], kind) for name, kind in COLUMNS.items()])
    return buffer.getvalue().encode()


def to_parquet(documents: Sequence[ResultDocument]) -> bytes:
    """A typed column each, a row per segment; raises ExtraMissing without pyarrow."""
    require_pyarrow()
    # Here: pyarrow is an extra.
    arrow: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    types = {
        "text": arrow.string(),
        "boolean": arrow.bool_(),
        "integer": arrow.int64(),
        "number": arrow.float64(),
    }
    schema = arrow.schema(
        [
            arrow.field(name, types[kind], nullable=name == "parent")
            for name, kind in COLUMNS.items()
        ]
    )
    table = arrow.Table.from_pylist(list(_rows(documents)), schema=schema)
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def require_pyarrow() -> None:
    """Raise ExtraMissing where pyarrow is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise ExtraMissing(
            "Parquet is written with pyarrow, which is not installed here.",
            "Install it: pip install 'clipwarden[parquet]'; or choose --format csv.",
        )


def _rows(documents: Sequence[ResultDocument]) -> Iterator[dict[str, object]]:
    for document in documents:
        for segment in document.segments:
            yield {
                "source": document.video.source,
                "result_id": document.video.id,
                "status": document.status,
                "model": document.model.id,
                "prompt_set": segment.prompt_set,
                "label": segment.label,
                "parent": segment.parent,
                "start_ms": segment.start_ms,
                "end_ms": segment.end_ms,
                "peak_ms": segment.peak_ms,
                "confidence": segment.confidence,
                "mean_confidence": segment.mean_confidence,
                "frames": segment.frames,
                "nsfw": segment.nsfw,
                "action": str(segment.action),
                "evidence": segment.evidence,
            }


def _cell(value: object, kind: Kind) -> str:
    if kind == "boolean":
        return "true" if value else "false"
    text = "" if value is None else str(value)
    return no_formula(text) if kind == "text" else text
