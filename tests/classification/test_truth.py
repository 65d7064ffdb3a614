"""Right answers read, and answers measured against them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clipwarden.classification.accuracy import Share, accuracy_of
from clipwarden.classification.answers import Answer, Choice
from clipwarden.classification.errors import InvalidAnswers
from clipwarden.classification.truth import read_answers
from clipwarden.embedding.rows import Row


def written(path: Path, content: object) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def test_json_and_csv_say_the_same_and_names_are_relative_to_the_file(tmp_path: Path) -> None:
    entries = [{"file": "b.jpg", "class": "dog"}, {"file": "in/a.jpg", "class": "cat", "x": 1}]
    first = read_answers(written(tmp_path / "t.json", entries))
    table = "\ufeffclass, file\r\ndog,b.jpg\r\ncat,in/a.jpg\r\n".replace(", ", ",")
    second = read_answers(written(tmp_path / "t.csv", table))
    assert first == second
    assert first.paths == (str(tmp_path / "b.jpg"), str(tmp_path / "in/a.jpg"))
    assert first.classes == ("cat", "dog")
    assert first.class_of[str(tmp_path / "b.jpg")] == "dog"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.json", "[{", "no JSON"),
        ("t.json", {"file": "a", "class": "b"}, "no list of objects"),
        ("t.json", [], "names no pictures"),
        ("t.json", [{"file": "a.jpg"}], "entry 1 has no class"),
        ("t.json", [{"file": 5, "class": "dog"}], "entry 1 has no file"),
        ("t.json", [{"file": "a.jpg", "class": "x"}] * 2, "entry 2 names 'a.jpg' once more"),
        ("t.csv", "name,class\na.jpg,dog\n", "names no columns file and class"),
        ("t.csv", "file,class\na.jpg\n", "line 2 has no class"),
    ],
)
def test_what_is_wrong_with_a_file_of_answers_is_told_with_its_place(
    tmp_path: Path, name: str, content: object, words: str
) -> None:
    path = written(tmp_path / name, content)
    with pytest.raises(InvalidAnswers, match=words) as caught:
        read_answers(path)
    assert str(path) in caught.value.message
    assert caught.value.cure


def test_a_file_of_answers_that_is_not_there_or_not_utf8_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidAnswers, match="can't be read"):
        read_answers(tmp_path / "gone.json")
    (tmp_path / "t.json").write_bytes(b"\xff")
    with pytest.raises(InvalidAnswers, match="not UTF-8"):
        read_answers(tmp_path / "t.json")


def test_a_class_that_is_no_label_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path / "t.json", [{"file": "a.jpg", "class": "dog"}])
    answers = read_answers(path)
    answers.require_labels(["cat", "dog"], path)
    with pytest.raises(InvalidAnswers, match="'dog' is none of the labels"):
        answers.require_labels(["cat"], path)


def test_the_interval_is_wilson_s() -> None:
    # Newcombe 1998, table I: 81 of 263 has the score interval 0.2553 to 0.3662.
    share = Share.of(81, 263)
    assert share.low == pytest.approx(0.2553, abs=5e-5)
    assert share.high == pytest.approx(0.3662, abs=5e-5)
    assert Share.of(0, 20).low == 0.0
    assert Share.of(0, 20).high == pytest.approx(0.1611, abs=5e-5)
    assert Share.of(20, 20).high == 1.0
    assert (Share.of(0, 0).low, Share.of(0, 0).high) == (0.0, 1.0)


def answer(truth: str, rank: int, first: str, confidence: float = 0.9) -> Answer:
    return Answer(Row(source="x"), (Choice(first, confidence, 0.3, None),), truth, rank)


def test_ranks_become_shares_and_the_commonest_confusion_comes_first() -> None:
    answers = [
        answer("dog", 1, "dog"),
        answer("dog", 2, "fox"),
        answer("dog", 6, "fox", 0.95),
        answer("cat", 5, "dog", 0.99),
        Answer(Row(source="x"), (Choice("dog", 0.9, 0.3, None),)),
    ]
    accuracy = accuracy_of(answers)
    assert (accuracy.top1.hits, accuracy.top1.pictures) == (1, 4)
    assert (accuracy.top5.hits, accuracy.top5.value) == (3, 0.75)
    worst = [(one.truth, one.given, one.count, one.confidence) for one in accuracy.confusions]
    assert worst == [("dog", "fox", 2, 0.95), ("cat", "dog", 1, 0.99)]
