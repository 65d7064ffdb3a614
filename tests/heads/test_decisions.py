"""Files of review decisions, and folders of examples, from people we know nothing of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clipwarden.heads.decisions import Decision, read_decisions
from clipwarden.heads.errors import ExamplesUnusable, InvalidDecisions
from clipwarden.heads.folder import labelled_pictures
from tests.heads.drawn import write_pictures

ENTRY = {"submission": "3f2a", "time_ms": 4200, "label": "fire", "accepted": True}


def test_json_and_csv_say_the_same(tmp_path: Path) -> None:
    entries = [ENTRY, {"file": "a.mp4", "time_s": 1.5, "label": "fire", "accepted": False}]
    (tmp_path / "a.json").write_text(json.dumps({"decisions": [*entries, {"label": "gore"}]}))
    (tmp_path / "a.csv").write_text(
        "submission,file,time_ms,time_s,label,accepted\n"
        "3f2a,,4200,,fire,yes\n,a.mp4,,1.5,fire,no\n3f2a,,1,,gore,yes\n"
    )
    expected = [
        Decision("3f2a", None, 4_200_000, accepted=True),
        Decision(None, "a.mp4", 1_500_000, accepted=False),
    ]
    for name in ("a.json", "a.csv"):
        assert read_decisions(tmp_path / name, "fire") == expected


@pytest.mark.parametrize(
    ("change", "mentions"),
    [
        ({"submission": None}, "no video"),
        ({"file": "a.mp4"}, "a video twice"),
        ({"time_ms": -1}, "no time_ms"),
        ({"time_ms": True}, "no time_ms"),
        ({"time_ms": [1]}, "no time_ms"),
        ({"time_ms": "nan"}, "no time_ms"),
        ({"time_ms": 10**400}, "no time_ms"),
        ({"time_ms": None}, "has no time"),
        ({"accepted": "perhaps"}, "accepted is 'perhaps'"),
        ({"accepted": None}, "accepted is None"),
        ({"label": "gore"}, "no decision on 'fire', but on 'gore'"),
    ],
)
def test_an_entry_that_is_wrong_is_named(
    tmp_path: Path, change: dict[str, object], mentions: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([ENTRY | change]))
    with pytest.raises(InvalidDecisions, match=mentions):
        read_decisions(path, "fire")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_what_is_no_list_of_decisions_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InvalidDecisions):
        read_decisions(path, "fire")


def test_subfolders_tell_what_pictures_show(tmp_path: Path) -> None:
    for name in ("Yes", "no"):
        write_pictures(tmp_path / "a" / name, 2, striped=name == "Yes")
    found = labelled_pictures(tmp_path / "a", None, lambda _: None)
    assert sorted(found.shows.values()) == [False, False, True, True]
    assert len(found.named) == 4
    for name in ("cat", "dog", "bird"):
        write_pictures(tmp_path / "b" / name, 1, striped=False)
    of_classes = labelled_pictures(tmp_path / "b", "cat", lambda _: None)
    assert [Path(one).parent.name for one, shows in of_classes.shows.items() if shows] == ["cat"]


@pytest.mark.parametrize("positive", [None, "wolf"])
def test_a_folder_that_is_laid_out_otherwise_says_what_it_needs(
    tmp_path: Path, positive: str | None
) -> None:
    write_pictures(tmp_path / "cat", 1, striped=False)
    with pytest.raises(ExamplesUnusable, match="its subfolders are: cat") as error:
        labelled_pictures(tmp_path, positive, lambda _: None)
    assert "--positive NAME" in error.value.cure
    with pytest.raises(ExamplesUnusable, match="can't be read"):
        labelled_pictures(tmp_path / "missing", positive, lambda _: None)
