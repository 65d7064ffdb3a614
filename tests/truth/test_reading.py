"""Every form of truth file, and every mistake one can have."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden.truth.entries import MAX_SCENES
from clipwarden.truth.errors import InvalidTruth
from clipwarden.truth.model import Truth
from clipwarden.truth.reading import read_truth

SCENE = {"start_ms": 0, "end_ms": 1000, "labels": ["cat"]}


def written(folder: Path, content: object, name: str = "truth.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def spans(truth: Truth) -> list[list[tuple[int, int | None, tuple[str, ...]]]]:
    return [[(s.start_us, s.end_us, s.tags) for s in one.scenes] for one in truth.entries]


def test_an_object_of_videos_is_read_with_what_tools_write_beside(tmp_path: Path) -> None:
    content = {
        "notes": ["anything"],
        "videos": [
            {
                "video": "a.mp4",
                "fps": 25,
                "source": "a camera",
                "scenes": [
                    {"index": 0, "start_s": 0.0, "end_s": 5.96, "class": "lake", "moderation": []},
                    {
                        **{"start_s": 5.96, "end_s": 10.12, "file": "x.jpg", "source": "y"},
                        **{"moderation": ["weapon", "weapon"], "hard": True, "text": "a gun"},
                    },
                ],
            }
        ],
    }
    truth = read_truth(written(tmp_path, content))
    [entry] = truth.entries
    assert entry.name == "a.mp4"
    assert not entry.is_whole
    assert spans(truth) == [[(0, 5_960_000, ()), (5_960_000, 10_120_000, ("weapon",))]]
    assert [(scene.what, scene.is_hard) for scene in entry.scenes] == [
        ("lake", False),
        ("a gun", True),
    ]
    assert truth.judged is None
    assert len(truth.sha256) == 64


def test_a_list_of_pictures_is_judged_as_wholes(tmp_path: Path) -> None:
    content = [
        {"file": "a.jpg", "class": "beagle", "moderation": []},
        {"file": "b.jpg", "labels": ["cat", "fruit"]},
    ]
    truth = read_truth(written(tmp_path, content))
    assert spans(truth) == [[(0, None, ())], [(0, None, ("cat", "fruit"))]]
    assert all(entry.is_whole for entry in truth.entries)


def test_json_lines_have_one_file_each_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    lines = [{"file": "a.mp4", "scenes": [SCENE]}, {"file": "b.mp4", "tags": []}]
    text = "\n\n".join(map(json.dumps, lines)) + "\n"
    truth = read_truth(written(tmp_path, text, "truth.jsonl"))
    assert spans(truth) == [[(0, 1_000_000, ("cat",))], [(0, None, ())]]


def test_a_schema_and_what_was_looked_for_may_be_said(tmp_path: Path) -> None:
    content = {
        "schema": "clipwarden.truth/1",
        "judged": ["cat", "dog"],
        "pictures": [{"file": "a.jpg", "labels": []}],
    }
    assert read_truth(written(tmp_path, content)).judged == ("cat", "dog")


def test_csv_rows_of_one_file_are_one_entry(tmp_path: Path) -> None:
    text = (
        "\ufefffile,start_ms,end_ms,labels,hard,comment\r\n"
        'a.mp4,0,1500.5,cat; dog,,"two, indeed"\r\n'
        "b.jpg,,,,,\r\n"
        "a.mp4,1500.5,3000,cat|,yes,\r\n"
    )
    truth = read_truth(written(tmp_path, text, "truth.csv"))
    assert spans(truth) == [
        [(0, 1_500_500, ("cat", "dog")), (1_500_500, 3_000_000, ("cat",))],
        [(0, None, ())],
    ]
    assert [scene.is_hard for scene in truth.entries[0].scenes] == [False, True]
    assert [entry.is_whole for entry in truth.entries] == [False, True]


def test_seconds_and_milliseconds_are_the_same_time(tmp_path: Path) -> None:
    texts = {
        "s.csv": "file,start_s,end_s,labels\na,1.5,2.25,x\n",
        "ms.csv": "file,start_ms,end_ms,labels\na,1500,2250,x\n",
    }
    read = [spans(read_truth(written(tmp_path, text, name))) for name, text in texts.items()]
    assert read[0] == read[1] == [[(1_500_000, 2_250_000, ("x",))]]


def scenes_of(scene: object) -> object:
    return {"videos": [{"video": "a.mp4", "scenes": [scene]}]}


@pytest.mark.parametrize(
    ("content", "place", "what"),
    [
        ({}, "", "no list of files"),
        ("3", "", "neither an object nor a list"),
        ({"schema": "x/2", "videos": []}, "schema", "'x/2'"),
        ({"videos": {}}, "videos", "a list is wanted"),
        ({"videos": []}, "", "names no file"),
        ([3], "[0]", "an object is wanted here, not 3"),
        ([{"labels": []}], "[0]", "names no file"),
        ([{"file": 5, "labels": []}], "[0].file", "not 5"),
        ([{"file": "", "labels": []}], "[0].file", "no file's name"),
        ([{"file": "a\0b", "labels": []}], "[0].file", "no file's name"),
        ([{"file": "a"}], "[0]", "neither scenes nor labels"),
        ([{"file": "a", "labels": "cat"}], "[0].labels", "a list of labels"),
        ([{"file": "a", "labels": [3]}], "[0].labels[0]", "not 3"),
        ([{"file": "a", "labels": ["\x1b[2J"]}], "[0].labels[0]", "no label"),
        ([{"file": "a", "labels": ["x" * 101]}], "[0].labels[0]", "no label"),
        ([{"file": "a", "labels": [str(n) for n in range(101)]}], "[0].labels", "100 labels"),
        ([{"file": "a", "labels": [], "hard": 1}], "[0].hard", "true or false"),
        ([{"file": "a", "labels": []}] * 2, "[1]", "stands at [0] already"),
        ({"judged": "cat", "videos": []}, "judged", "a list of labels"),
        ({"videos": [{"video": "a", "scenes": {}}]}, "videos[0].scenes", "a list of scenes"),
        (scenes_of("x"), "videos[0].scenes[0]", "an object is wanted"),
        (scenes_of({**SCENE, "start_s": 0}), "videos[0].scenes[0]", "both start_ms and start_s"),
        (scenes_of({"end_ms": 5, "labels": []}), "videos[0].scenes[0]", "no start"),
        (scenes_of({**SCENE, "start_ms": -1}), "videos[0].scenes[0].start_ms", "-1 is no time"),
        (scenes_of({**SCENE, "end_ms": "9"}), "videos[0].scenes[0].end_ms", "a number"),
        (scenes_of({**SCENE, "end_ms": True}), "videos[0].scenes[0].end_ms", "a number"),
        (scenes_of({**SCENE, "end_ms": 10**400}), "videos[0].scenes[0].end_ms", "a huge number"),
        (scenes_of({**SCENE, "end_ms": 0}), "videos[0].scenes[0]", "ends at 0 ms"),
        (scenes_of({"start_ms": 0, "end_ms": 9}), "videos[0].scenes[0]", "no labels"),
        ({"videos": [{"video": "a", "scenes": [SCENE] * (MAX_SCENES + 1)}]}, "scenes", "more than"),
        ("{", "line 1", "no valid JSON"),
        ('[{"file": "a", "labels": [], "labels": ["x"]}]', "", "there twice"),
        ('[{"file": "a", "scenes": [{"start_ms": NaN}]}]', "", "NaN"),
        ("[" * 100_000, "", "nested too deeply"),
    ],
)
def test_a_mistake_in_json_is_told_with_file_and_place(
    tmp_path: Path, content: object, place: str, what: str
) -> None:
    with pytest.raises(InvalidTruth) as raised:
        read_truth(written(tmp_path, content))
    assert "truth.json" in raised.value.message
    assert place in raised.value.message
    assert what in raised.value.message
    assert raised.value.cure
    assert raised.value.message.isprintable()


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("", "", "names no file"),
        ("name,labels\n", "line 1", "no column video"),
        ("file,start_ms\n", "line 1", "no column labels"),
        ("file,labels,labels\n", "line 1", "two columns labels"),
        ("file,start_ms,start_s,end_ms,labels\n", "line 1", "start_ms and start_s"),
        ("file,labels\na,b,c\n", "line 2", "3 fields"),
        ("file,labels\n,b\n", "line 2", "no file's name"),
        ("file,start_ms,end_ms,labels\na,1,,x\n", "line 2", "one time without"),
        ("file,start_ms,end_ms,labels\na,x,2,x\n", "line 2, start_ms", "a number"),
        ("file,start_ms,end_ms,labels\na,-1,2,x\n", "line 2, start_ms", "no time"),
        ("file,start_ms,end_ms,labels\na,nan,2,x\n", "line 2, start_ms", "a number"),
        ("file,start_ms,end_ms,labels\na,2,1,x\n", "line 2", "ends at 1 ms"),
        ("file,start_ms,end_ms,labels\na,1,2,x\na,,,y\n", "line 3", "more rows"),
        ("file,labels,hard\na,x,maybe\n", "line 2, hard", "'maybe'"),
        ('file,labels\n"a,x\n', "line 2", "no valid CSV"),
    ],
)
def test_a_mistake_in_csv_is_told_with_file_and_line(
    tmp_path: Path, text: str, place: str, what: str
) -> None:
    with pytest.raises(InvalidTruth) as raised:
        read_truth(written(tmp_path, text, "truth.csv"))
    assert "truth.csv" in raised.value.message
    assert place in raised.value.message
    assert what in raised.value.message


def test_a_line_that_is_no_json_is_told_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(InvalidTruth, match="line 2: no valid JSON"):
        read_truth(written(tmp_path, '{"file": "a", "labels": []}\n{"fi', "truth.jsonl"))


def test_what_is_no_text_no_file_or_of_no_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTruth, match="can't be read"):
        read_truth(tmp_path / "missing.json")
    with pytest.raises(InvalidTruth, match="can't be read"):
        read_truth(tmp_path)
    with pytest.raises(InvalidTruth, match="tells no format"):
        read_truth(written(tmp_path, "x", "truth.txt"))
    path = tmp_path / "truth.json"
    path.write_bytes(b'[\n"\xff"]')
    with pytest.raises(InvalidTruth, match="line 2: the text is not UTF-8"):
        read_truth(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["videos", "file", "scenes", "labels", "start_ms", "end_ms", "hard"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_whatever_json_is_read_gives_a_truth_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(content))
    with contextlib.suppress(InvalidTruth):
        for entry in read_truth(path).entries:
            assert entry.name
            for scene in entry.scenes:
                assert scene.end_us is None or 0 <= scene.start_us < scene.end_us
