"""`clipwarden prompts test`: a set's own examples, with the starter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from clipwarden.cli.prompts_test import try_sets
from tests.classification.asking import Done, run, sample_photo

SET = """\
name: mine
version: "1"
description: Mine.
contrast: [a person, a dog, a car, a bottle of water]
labels:
  - {id: buildings, prompts: [a tower], threshold: 0.99}
  - {id: buildings.palace, prompts: [a palace, a monastery]}
  - {id: drinks, prompts: [a glass of beer, a bottle of wine]}
  - {id: nudity, classifier: open_nsfw}
examples:
"""
GOOD = """\
  - {image: photos/china.jpg, labels: [buildings.palace], absent: [drinks]}
  - {image: photos/china.jpg, labels: [buildings], note: a child counts as its parent}
  - {text: a bottle of red wine, labels: [drinks], absent: [buildings]}
  - {text: a small dog, note: nothing is to be found}
"""
BAD = """\
  - {image: photos/china.jpg, labels: [drinks]}
  - {text: a bottle of red wine, absent: [drinks]}
  - {text: a bottle of red wine}
  - {image: photos/gone.jpg, labels: [buildings]}
  - {text: someone naked, labels: [nudity]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    shutil.copy(sample_photo("china.jpg"), tmp_path / "photos")
    return tmp_path


def tried(path: Path, *words: str | Path, columns: int = 100) -> Done:
    return run(try_sets, path, "--model", "starter", *words, columns=columns)


def written(path: Path, examples: str) -> Path:
    path.write_text(f"{SET}{examples}")
    return path


@pytest.mark.slow
def test_examples_that_hold_pass(folder: Path) -> None:
    done = tried(written(folder / "good.yaml", GOOD))
    assert done.status == 0, done.stdout
    *lines, summary = done.stdout.splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == ["passed"] * 4
    assert summary == "4 passed in 1 set."


@pytest.mark.slow
def test_examples_that_do_not_hold_say_the_margin_and_what_decided(folder: Path) -> None:
    done = tried(written(folder / "bad.yaml", BAD), "--format", "json")
    assert done.status == 1
    content: dict[str, Any] = json.loads(done.stdout)
    assert content["summary"] == {"passed": 0, "failed": 3, "error": 1, "skipped": 1}
    missing, present, unasked, unreadable, untried = content["examples"]
    (check,) = missing["checks"]
    assert (check["is_expected"], check["is_found"], check["passed"]) == (True, False, False)
    assert check["confidence"] < check["threshold"]
    assert check["prompt"] in ("a glass of beer", "a bottle of wine")
    assert check["contrast"] in ("a person", "a dog", "a car", "a bottle of water")
    (check,) = present["checks"]
    assert (check["is_expected"], check["is_found"]) == (False, True)
    assert check["margin"] > 0
    assert check["prompt"] == "a bottle of wine"
    assert [one["label"] for one in unasked["checks"] if not one["passed"]] == ["drinks"]
    assert unreadable["outcome"] == "error"
    assert "no such file" in unreadable["reason"]
    assert untried["outcome"] == "skipped"


@pytest.mark.slow
def test_junit_counts_each_outcome_and_names_each_example(folder: Path) -> None:
    output = folder / "out" / "report.xml"
    both = written(folder / "both.yaml", GOOD + BAD)
    assert tried(both, "--format", "junit", "--output", output).status == 1
    (suite,) = ElementTree.parse(output).getroot()
    counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["9", "3", "1", "1"]
    assert [len(case) for case in suite] == [0] * 4 + [1] * 5
    assert suite[4].get("name") == "examples[4] photos/china.jpg"
    assert "drinks not found: confidence" in (suite[4][0].get("message") or "")


def test_sets_without_any_example_are_a_usage_error(folder: Path) -> None:
    path = folder / "none.yaml"
    path.write_text(SET.replace("examples:\n", ""))
    done = tried(path)
    assert (done.status, done.stdout) == (2, "")
    assert "there are no examples" in done.stderr


def test_an_example_outside_the_set_s_folder_is_refused(folder: Path) -> None:
    done = tried(written(folder / "out.yaml", "  - {image: ../china.jpg, labels: [buildings]}\n"))
    assert (done.status, done.code) == (2, "prompts.invalid_set")


def test_a_model_that_is_not_there_ends_with_2_and_writes_nothing(folder: Path) -> None:
    output = folder / "report.json"
    path = written(folder / "good.yaml", GOOD)
    done = run(try_sets, path, "--model", "no such model", "--output", output)
    assert (done.status, done.code) == (2, "model.unknown")
    assert not output.exists()
