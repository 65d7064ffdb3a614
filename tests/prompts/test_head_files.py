"""Files of trained heads, which a prompt set names and which strangers may have written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from prompts.errors import InvalidPromptSet
from prompts.head_files import MAX_HEAD_BYTES, MAX_HEADS
from prompts.heads import MAX_DIMENSION, Head
from prompts.loader import load_prompt_set
from prompts.schema import PromptSet

HEAD: dict[str, Any] = {
    "schema": "clipwarden.head/1",
    "label": "spoons",
    "model_key": "ab" * 8,
    "model_id": "some-model",
    "weights": [0.5, -0.25],
    "bias": 1,
    "trained_on": {"positives": 9, "negatives": 9, "source": "a folder"},
    "created_at": "2026-11-22T00:00:00Z",
}


def load(folder: Path, heads: str) -> PromptSet:
    """Load a set whose only label names these heads, on line 6."""
    path = folder / "mine.yaml"
    lines = ["name: mine", 'version: "1"', "description: Mine.", "labels:", "  - id: spoons"]
    path.write_text("\n".join([*lines, f"    heads: {heads}"]))
    return load_prompt_set(str(path))


def refused(folder: Path, heads: str = "[spoons.json]") -> str:
    """The one line that says why a set is not loaded, without its folder."""
    with pytest.raises(InvalidPromptSet) as caught:
        load(folder, heads)
    assert "\n" not in caught.value.message
    assert caught.value.cure
    return caught.value.message.removeprefix(f"{folder}/")


def test_a_head_is_read_from_below_the_sets_folder_and_counts_for_its_hash(tmp_path: Path) -> None:
    (tmp_path / "heads").mkdir()
    file = tmp_path / "heads" / "spoons.json"
    file.write_text(json.dumps(HEAD))
    loaded = load(tmp_path, "[heads/spoons.json]")
    [head] = loaded.labels[0].heads
    assert (head.weights, head.bias, head.label) == ((0.5, -0.25), 1.0, "spoons")
    assert loaded.labels[0].scored_by == "head"
    file.write_text(json.dumps(HEAD | {"bias": 2}))
    assert load(tmp_path, "[heads/spoons.json]").sha256 != loaded.sha256


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    head = Head.model_validate(HEAD)
    (tmp_path / "spoons.json").write_text(head.to_json())
    assert load(tmp_path, "[spoons.json]").labels[0].heads == (head,)


def test_only_what_a_margin_depends_on_counts_for_a_heads_hash() -> None:
    head = Head.model_validate(HEAD)
    renamed = Head.model_validate(HEAD | {"model_id": "x", "measured": {"auc": 0.9}})
    assert renamed.sha256 == head.sha256
    assert Head.model_validate(HEAD | {"weights": [0.5, 0.25]}).sha256 != head.sha256


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is no JSON that we read"),
        (b"\x93NUMPY", "is no JSON that we read"),
        (b"[" * 200_000, "is no JSON that we read"),
        (b'{"bias": ' + b"9" * 5000 + b"}", "is no JSON that we read"),
        (b" " * (MAX_HEAD_BYTES + 1), "is larger than 1024 KiB"),
        (b"[]", "labels[0].heads[0]: keys and values are wanted here"),
        (b"null", "labels[0].heads[0]: keys and values are wanted here"),
        (b'"other.json"', "labels[0].heads[0]: keys and values are wanted here"),
    ],
    ids=["empty", "array file", "deep", "long number", "large", "list", "null", "a name"],
)
def test_a_file_that_holds_no_head_is_refused(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    (tmp_path / "spoons.json").write_bytes(content)
    message = refused(tmp_path)
    assert message.startswith("mine.yaml, line 6, labels[0].heads")
    assert complaint in message


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "clipwarden.head/2"},
        {"weights": []},
        {"weights": [float("nan"), 1.0]},
        {"weights": [float("inf"), 1.0]},
        {"weights": [1e300, 1.0]},
        {"weights": [10**400, 1.0]},
        {"weights": [0.0] * (MAX_DIMENSION + 1)},
        {"weights": {"0": 1.0}},
        {"bias": -1e300},
        {"model_key": "../../etc/passwd"},
        {"model_key": "AB" * 8},
        {"label": "Spoons!"},
        {"model_id": "a\nb"},
        {"measured": {"\ud800": 1.0}},
        {"measured": {"auc": float("nan")}},
        {"trained_on": {"positives": 0, "negatives": 9, "source": "x"}},
        {"code": "import os"},
    ],
    ids=lambda change: str(change)[:40],
)
def test_a_head_that_breaks_its_schema_is_refused_with_its_place(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    (tmp_path / "spoons.json").write_text(json.dumps(HEAD | change))
    assert refused(tmp_path).startswith("mine.yaml, line 6, labels[0].heads[0].")


@pytest.mark.parametrize(
    ("heads", "complaint"),
    [
        ("[/etc/hostname]", "below the set's own folder"),
        ("[../spoons.json]", "below the set's own folder"),
        ("['a\\b.json']", "below the set's own folder"),
        ("[gone.json]", "there is no file 'gone.json'"),
        ("['.']", "there is no file '.'"),
        ('["a\\0b"]', "there is no file 'a\\x00b'"),
        (f"[{'a' * 5000}]", "can't be read"),
        ("[spoons.json, spoons.json]", "two of the heads are for the same model"),
        ("{spoons: spoons.json}", "a list is wanted here"),
        ("[1]", "keys and values are wanted here"),
    ],
    ids=["absolute", "upward", "backslash", "gone", "folder", "nul", "long", "twice", "map", "1"],
)
def test_a_name_that_leads_to_no_head_is_refused(
    tmp_path: Path, heads: str, complaint: str
) -> None:
    (tmp_path / "spoons.json").write_text(json.dumps(HEAD))
    message = refused(tmp_path, heads)
    assert complaint in message
    assert len(message) < 600


def test_a_pipe_in_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "spoons.json")
    assert "there is no file" in refused(tmp_path)


def test_no_file_is_read_a_hundred_thousand_times(tmp_path: Path) -> None:
    (tmp_path / "h").write_text("1")
    heads = f"[{', '.join(['h'] * (MAX_HEADS + 1))}]"
    assert f"more than {MAX_HEADS} heads are named" in refused(tmp_path, heads)
