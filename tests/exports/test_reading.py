"""Result files that were written earlier, and which of their segments are taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from clipwarden.errors import ResultUnreadable
from clipwarden.exports.reading import read_documents
from clipwarden.exports.selection import select_segments
from tests.exports.samples import FIRST_RELEASE, document, failed
from worker.document import ResultDocument


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_file_of_the_first_release_is_read(tmp_path: Path) -> None:
    [one] = read_documents(written(tmp_path / "old.json", FIRST_RELEASE))
    assert one.video.frame_rate is None
    assert one.video.source == "/videos/My clip.mp4"


def test_objects_arrays_and_lines_are_read(tmp_path: Path) -> None:
    both = [document(), failed()]
    objects = [json.loads(one.to_json()) for one in both]
    lines = "".join(f"{one.to_json()}\n\n" for one in both)
    texts: Sequence[tuple[str, list[ResultDocument]]] = [
        (document().to_json(indent=2), both[:1]),
        (json.dumps(objects, indent=2), both),
        (lines, both),
        (both[0].to_json() + "\n", both[:1]),
    ]
    for text, documents in texts:
        assert read_documents(written(tmp_path / "r.json", text)) == documents


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "EOF"),
        ("[]", "empty"),
        ("no json", "expected"),
        ("{}", "status"),
        ('{"a": 1}\n{"b": 2}', "status"),
        ("[1, 2]", "ResultDocument"),
        ("[" * 100_000, "recursion"),
        (b"\xff\xfe", "expected"),
        ('"\\ud800"', "hex escape"),
        (document().to_json().replace("result/1", "result/2"), "schema"),
        (document().to_json().replace("{", '{"a\\u001b[2J": 1, ', 1), r"\\x1b"),
    ],
)
def test_what_holds_no_results_is_refused_in_one_line(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    with pytest.raises(ResultUnreadable, match=f"(?i){words}") as raised:
        read_documents(written(tmp_path / "r.json", text))
    assert raised.value.message.startswith(f"{tmp_path}/r.json holds no results: ")
    assert raised.value.message.isprintable()


@pytest.mark.parametrize("name", ["missing.json", ".", "a\x00b.json"])
def test_what_cant_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ResultUnreadable, match="can't be read"):
        read_documents(tmp_path / name)


@pytest.mark.parametrize(
    ("labels", "least", "found"),
    [
        ([], 0.0, ["violence.blood", "violence", "nudity", "logo"]),
        (["violence"], 0.0, ["violence.blood", "violence"]),
        (["violence.blood"], 0.0, ["violence.blood"]),
        (["viol"], 0.0, []),
        (["logo", "nudity"], 0.0, ["nudity", "logo"]),
        ([], 0.9, ["violence.blood", "nudity"]),
        (["violence"], 0.5, ["violence.blood", "violence"]),
    ],
)
def test_segments_are_chosen_by_label_and_confidence(
    labels: list[str], least: float, found: list[str]
) -> None:
    chosen = select_segments(document(), labels, least)
    assert [segment.label for segment in chosen.segments] == found
    assert chosen.flags == document().flags
