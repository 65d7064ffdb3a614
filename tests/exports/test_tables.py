"""CSV and Parquet, read back by the csv module and by pyarrow."""

from __future__ import annotations

import csv
import importlib.util
import io
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden.errors import ExtraMissing
from clipwarden.exports.formats import require_extra
from clipwarden.exports.tables import COLUMNS, to_csv, to_parquet
from tests.exports.hostile import hostile_documents
from tests.exports.samples import SEGMENTS, document, failed
from worker.document import ResultDocument

FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def csv_rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


def parquet_rows(content: bytes, folder: Path) -> list[dict[str, Any]]:
    file = folder / "segments.parquet"
    file.write_bytes(content)
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(file).to_pylist()
    return rows


def test_csv_has_a_row_per_segment_of_every_video() -> None:
    content = to_csv([document(), document(SEGMENTS[:1], source="b.mp4"), failed()])
    rows = csv_rows(content)
    assert [row["source"] for row in rows] == ["/videos/My clip.mp4"] * 4 + ["b.mp4"]
    assert [(int(row["start_ms"]), int(row["end_ms"])) for row in rows[:4]] == [
        (one.start_ms, one.end_ms) for one in SEGMENTS
    ]
    assert [float(row["confidence"]) for row in rows[:4]] == [one.confidence for one in SEGMENTS]
    assert [row["nsfw"] for row in rows[:4]] == ["false", "false", "true", "false"]
    assert [row["action"] for row in rows[:4]] == ["block", "review", "block", "note"]
    assert rows[0]["parent"] == "violence"


def test_csv_is_as_rfc_4180_has_it() -> None:
    content = to_csv([document(SEGMENTS[:1], source='a "b", c.mp4')])
    head, row, end = content.split(b"\r\n")
    assert head.decode().split(",") == list(COLUMNS)
    assert row.startswith(b'"a ""b"", c.mp4",3f2a91bc,done,starter,moderation,violence.blood,')
    assert end == b""
    assert to_csv([]) == head + b"\r\n"


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_name_becomes_a_formula(name: str) -> None:
    [row] = csv_rows(to_csv([document(SEGMENTS[:1], source=name)]))
    assert row["source"] == f"'{name}"


@given(documents=st.lists(hostile_documents(), max_size=3))
def test_csv_holds_any_names(documents: list[ResultDocument]) -> None:
    rows = csv_rows(to_csv(documents))
    segments = [(one, segment) for one in documents for segment in one.segments]
    for row, (one, segment) in zip(rows, segments, strict=True):
        assert row["source"].removeprefix("'") == one.video.source.removeprefix("'")
        assert row["label"].removeprefix("'") == segment.label.removeprefix("'")
        assert int(row["end_ms"]) == segment.end_ms
        assert not any(value.startswith(FORMULAS) for value in row.values())


def test_parquet_has_the_same_with_types(tmp_path: Path) -> None:
    documents = [document(), document(SEGMENTS[:1], source="=b.mp4"), failed()]
    rows = parquet_rows(to_parquet(documents), tmp_path)
    assert list(rows[0]) == list(COLUMNS)
    assert rows[0] == {
        "source": "/videos/My clip.mp4",
        "result_id": "3f2a91bc",
        "status": "done",
        "model": "starter",
        "prompt_set": "moderation",
        "label": "violence.blood",
        "parent": "violence",
        "start_ms": 61_234,
        "end_ms": 64_000,
        "peak_ms": 61_234,
        "confidence": 0.934,
        "mean_confidence": 0.467,
        "frames": 3,
        "nsfw": False,
        "action": "block",
        "evidence": "ev61234",
    }
    assert rows[1]["parent"] is None
    assert rows[4]["source"] == "=b.mp4"


def test_parquet_of_nothing_has_columns_still(tmp_path: Path) -> None:
    file = tmp_path / "none.parquet"
    file.write_bytes(to_parquet([failed()]))
    table = pyarrow.parquet.read_table(file)
    assert (table.num_rows, table.column_names) == (0, list(COLUMNS))
    assert str(table.schema.field("start_ms").type) == "int64"
    assert str(table.schema.field("nsfw").type) == "bool"


@pytest.mark.parametrize(
    ("name", "extra"), [("parquet", "clipwarden[parquet]"), ("otio", "clipwarden[exports]")]
)
def test_a_missing_package_is_an_error_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, name: str, extra: str
) -> None:
    require_extra(name)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ExtraMissing) as raised:
        require_extra(name)
    assert extra in raised.value.cure
    require_extra("csv")
