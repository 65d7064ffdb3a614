"""The parts of `clipwarden embed` that need no model: names, order, and files of vectors."""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from clipwarden.embedding.draft import FileDraft
from clipwarden.embedding.images import (
    Unfit,
    named_pictures,
    natural_order,
    read_names,
    read_texts,
)
from clipwarden.embedding.npy import NpyFile
from clipwarden.embedding.output import VectorFormat, VectorTarget, drafts_of
from clipwarden.embedding.rows import Failure, Row
from clipwarden.errors import OutputFailed

FACTS: dict[str, object] = {"schema": "clipwarden.vectors/1", "dimension": 8}


def silent(_words: str) -> None:
    pass


def test_numbers_in_names_sort_as_numbers() -> None:
    names = [
        "img10",
        "img2",
        "IMG1",
        "img02b",
        "img",
        "1",
        "img1-2",
        "img1-10",
        "007",
        "8",
        "x" * 9,
    ]
    assert sorted(names, key=natural_order) == [
        "1", "007", "8", "img", "IMG1", "img1-2", "img1-10", "img2", "img02b", "img10", "x" * 9,
    ]  # fmt: skip
    assert natural_order("0" * 200 + "1" * 255) > natural_order("9" * 254)


def test_folders_give_their_pictures_and_links_lead_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s.jpg").touch()
    folder = tmp_path / "photos"
    for name in ("b/2.jpg", "b/10.jpg", "a.png", "c.avif", ".git/x.png", "clip.mp4", "d.jpg.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "out").symlink_to(secret)
    (folder / "out.jpg").symlink_to(secret / "s.jpg")
    told: list[str] = []
    found = list(named_pictures([str(folder)], told.append))
    assert found == [f"{folder}/{name}" for name in ("a.png", "b/2.jpg", "b/10.jpg", "c.avif")]
    assert ["4 pictures" in words for words in told] == [True]
    # Named itself, a link is followed.
    link = tmp_path / "link"
    link.symlink_to(secret)
    assert list(named_pictures([str(link)], silent)) == [f"{link}/s.jpg"]


def test_what_leads_to_no_picture_fails_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    words = ["a.jpg", "", "s3://bucket/a.jpg", str(tmp_path / "bare"), "b.jpg"]
    first, *unfit, last = named_pictures(words, silent)
    assert (first, last) == ("a.jpg", "b.jpg")
    codes = [one.error.code for one in unfit if isinstance(one, Unfit)]
    assert codes == ["media.not_found", "source.unsupported", "media.is_folder"]


def test_a_folder_as_deep_as_a_path_may_be_is_walked(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    start = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(1500):
            Path("d").mkdir()
            os.chdir("d")
        Path("deep.jpg").touch()
        found = list(named_pictures([str(tmp_path)], silent))
        assert [Path(str(one)).name for one in found] == ["deep.jpg"]
    finally:
        os.chdir(start)
        os.close(here)


def test_lists_are_lines_of_bytes_or_of_text() -> None:
    assert list(read_names([b"a b.jpg\r\n", b"\n", b"\xff.jpg"])) == ["a b.jpg", "\udcff.jpg"]
    assert list(read_texts(["\ufeffein Hund\r\n".encode(), b"  \n", b"a cat"])) == [
        "ein Hund",
        "a cat",
    ]
    with pytest.raises(UnicodeDecodeError):
        list(read_texts([b"\xff"]))


def filled(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.arange(count * 8, dtype=np.float32).reshape(count, 8)


@pytest.mark.parametrize("count", [0, 1, 9, 10, 123_456])
def test_the_header_of_npy_takes_any_count_at_the_end(tmp_path: Path, count: int) -> None:
    with (tmp_path / "v.npy").open("wb+") as file:
        made = NpyFile(file, None, FACTS)
        for start in range(0, count, 5000):
            part = filled(count)[start : start + 5000]
            made.add([Row(text="x")] * len(part), part)
        made.finish()
    found = np.load(tmp_path / "v.npy", allow_pickle=False)
    assert np.array_equal(found, filled(count))


@pytest.mark.parametrize("kind", list(VectorFormat))
def test_memory_stays_flat_however_many_rows_and_failures_there_are(
    tmp_path: Path, kind: VectorFormat
) -> None:
    vectors = np.ones((100, 8), np.float32)
    failure = Failure("/a/path/of/some/length.jpg", "media.empty", "an empty file." * 4, "Copy it.")
    with drafts_of(VectorTarget(tmp_path / f"v.{kind}", kind)) as drafts:
        file = drafts.begin(FACTS)
        tracemalloc.start()
        for number in range(600):
            file.add([Row(source=f"{number}", sha256="0" * 64, width=1, height=1)] * 100, vectors)
            for _ in range(100):
                file.fail(failure)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        file.finish()
        drafts.keep()
    assert peak_bytes < 8_000_000
    if kind is VectorFormat.NPY:
        assert np.load(tmp_path / "v.npy").shape == (60_000, 8)
        facts = json.loads((tmp_path / "v.json").read_text())
        assert len(facts["rows"]) == len(facts["failed"]) == 60_000
        assert facts["rows"][-1]["source"] == "599"
    else:
        assert pyarrow.parquet.read_metadata(tmp_path / "v.parquet").num_row_groups == 15
        table = pyarrow.parquet.read_table(tmp_path / "v.parquet")
        assert table.num_rows == 60_000


def test_a_draft_that_is_not_kept_is_gone_and_one_that_is_replaces(tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    path.write_text("before")
    link = tmp_path / "link.npy"
    link.symlink_to(path)
    with FileDraft(link) as draft:
        draft.file.write(b"half")
    assert path.read_text() == "before"
    with FileDraft(link) as draft:
        draft.file.write(b"whole")
        draft.keep()
    assert path.read_text() == "whole"
    assert link.is_symlink()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.npy", "v.npy"]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_two_drafts_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    with FileDraft(path) as one, FileDraft(path) as other:
        one.file.write(b"one")
        other.file.write(b"other")
        other.keep()
        assert path.read_bytes() == b"other"
        one.keep()
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("there", ["", '{\n "schema": "clipwarden.vectors/1", "rows": []}'])
def test_a_list_of_an_earlier_run_is_replaced(tmp_path: Path, there: str) -> None:
    (tmp_path / "v.json").write_text(there)
    with drafts_of(VectorTarget(tmp_path / "v.npy", VectorFormat.NPY)) as drafts:
        drafts.begin(FACTS).finish()
        drafts.keep()
    assert json.loads((tmp_path / "v.json").read_text())["rows"] == []


def test_somebodys_own_json_is_not_replaced_by_the_list(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text('{"annotations": []}')
    target = VectorTarget(tmp_path / "v.npy", VectorFormat.NPY)
    with pytest.raises(OutputFailed, match=r"v\.json, which is something else"), drafts_of(target):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["v.json"]


def test_warnings_of_rows_are_in_parquet(tmp_path: Path) -> None:
    rows = [Row(source="a", warnings=("one: A.", "two: B.")), Row(source="b")]
    with drafts_of(VectorTarget(tmp_path / "v.parquet", VectorFormat.PARQUET)) as drafts:
        file = drafts.begin(FACTS)
        file.add(rows, filled(2))
        file.finish()
        drafts.keep()
    table = pyarrow.parquet.read_table(tmp_path / "v.parquet")
    assert table["warnings"].to_pylist() == [["one: A.", "two: B."], None]


@pytest.mark.parametrize("kind", list(VectorFormat))
def test_what_is_abandoned_has_no_last_words(tmp_path: Path, kind: VectorFormat) -> None:
    with drafts_of(VectorTarget(tmp_path / f"v.{kind}", kind)) as drafts:
        file = drafts.begin(FACTS)
        file.add([Row(text="x")] * 5000, filled(5000))
        file.abandon()
    # An error or a warning on the way out would fail the test.
    del file, drafts
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_devices_and_pipes_are_not_replaced_by_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(OutputFailed, match="no ordinary file"):
        FileDraft(tmp_path / "pipe.npy")


def test_the_suffix_says_the_format_and_json_is_taken() -> None:
    assert VectorTarget.named("a/v.PARQUET", None).format is VectorFormat.PARQUET
    assert VectorTarget.named("v.npy", None).neighbour == Path("v.json")
    assert VectorTarget.named("v.bin", VectorFormat.NPY).neighbour == Path("v.json")
    assert VectorTarget.named("-", None) == VectorTarget(None, VectorFormat.NPY)
    with pytest.raises(OutputFailed, match=r"vectors\.csv"):
        VectorTarget.named("vectors.csv", None)
    with pytest.raises(OutputFailed, match="list of rows"):
        VectorTarget.named("v.json", VectorFormat.NPY)


def test_bytes_are_not_put_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for kind in VectorFormat:
        with pytest.raises(OutputFailed, match="terminal"):
            VectorTarget.named("-", kind)


def test_without_pyarrow_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pyarrow" else real(name)
    )
    with pytest.raises(OutputFailed, match="pyarrow") as caught:
        VectorTarget.named("v.parquet", None)
    assert "clipwarden[parquet]" in caught.value.cure
    assert VectorTarget.named("v.npy", None).format is VectorFormat.NPY
