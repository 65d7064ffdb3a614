"""Calibration files, which strangers may have written, and what they say of a prompt set."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from prompts.calibration import MAX_BYTES, Calibration, labels_in_use
from prompts.errors import InvalidCalibration
from prompts.links import MAX_KNOTS, Isotonic, Logistic
from prompts.loader import load_prompt_set
from prompts.schema import PromptSet

CALIBRATION: dict[str, Any] = {
    "schema": "clipwarden.calibration/1",
    "model_key": "ab" * 8,
    "model_id": "some-model",
    "prompt_set": "standin",
    "prompt_set_version": "1",
    "prompt_set_sha256": "0" * 64,
    "sampling": "fps:2",
    "created_at": "2026-11-22T00:00:00Z",
    "labels": {},
}
LOGISTIC: dict[str, Any] = {"kind": "logistic", "scale": 40.0, "bias": 0.05}
ISOTONIC: dict[str, Any] = {"kind": "isotonic", "margins": [0.0, 0.1], "levels": [0.2, 0.8]}


def file_of(link: object, **label: object) -> bytes:
    """A calibration of one label."""
    one = {"link": link, "scoring_sha256": "0" * 64} | label
    return json.dumps(CALIBRATION | {"labels": {"cat": one}}).encode()


def refused(content: bytes) -> str:
    with pytest.raises(InvalidCalibration) as caught:
        Calibration.parse(content, "mine.json")
    assert caught.value.message.startswith("mine.json is no calibration: ")
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"labels":' * 100_000,
        b" " * (MAX_BYTES + 1),
        b'{"schema": "clipwarden.calibration/1"}',
    ],
    ids=["empty", "null", "list", "no text", "deep", "deep keys", "large", "little"],
)
def test_what_holds_no_calibration_is_refused_in_one_line(content: bytes) -> None:
    assert len(refused(content)) < 300


@pytest.mark.parametrize("number", ["1e400", "1e308", "1" + "0" * 400, "9" * 5000, "NaN"])
@pytest.mark.parametrize("place", ["bias", "scale"])
def test_a_link_of_numbers_past_all_bounds_is_refused(place: str, number: str) -> None:
    content = file_of(LOGISTIC | {place: "HERE"}).replace(b'"HERE"', number.encode())
    refused(content)


@pytest.mark.parametrize(
    "link",
    [
        LOGISTIC | {"scale": 0},
        LOGISTIC | {"scale": -1},
        LOGISTIC | {"kind": "python"},
        {"scale": 1.0, "bias": 0.0},
        LOGISTIC | {"margins": [0.0]},
        ISOTONIC | {"margins": [0.0, 0.0]},
        ISOTONIC | {"margins": [-1e300, 1e300]},
        ISOTONIC | {"levels": [0.8, 0.2]},
        ISOTONIC | {"levels": [0.2]},
        ISOTONIC | {"levels": [0.2, 1.2]},
        ISOTONIC | {"levels": [float("nan"), 0.5]},
        {"kind": "isotonic", "margins": [], "levels": []},
        {
            "kind": "isotonic",
            "margins": list(range(MAX_KNOTS + 1)),
            "levels": [0.5] * (MAX_KNOTS + 1),
        },
    ],
    ids=lambda link: str(link)[:50],
)
def test_a_link_that_is_none_is_refused(link: dict[str, Any]) -> None:
    assert "labels.cat.link" in refused(file_of(link))


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "clipwarden.calibration/2"},
        {"model_key": "starter"},
        {"prompt_set": "../standin"},
        {"prompt_set": "s" * 101},
        {"prompt_set_sha256": "0" * 63},
        {"sampling": "fps:2\n2"},
        {"labels": {"../cat": {}}},
        {"labels": []},
        {"code": "import os"},
    ],
    ids=str,
)
def test_a_calibration_that_breaks_its_schema_is_refused(change: dict[str, Any]) -> None:
    refused(json.dumps(CALIBRATION | change).encode())


@pytest.mark.parametrize(
    "label",
    [
        {"threshold": 0.0},
        {"threshold": 1.0},
        {"threshold": "0.5"},
        {"threshold": 0.5, "exit_threshold": 0.6},
        {"exit_threshold": 0.1},
        {"positives": -1},
        {"measured": {"auc": float("inf")}},
        {"scoring_sha256": "0"},
    ],
    ids=str,
)
def test_a_label_that_breaks_its_schema_is_refused(label: dict[str, Any]) -> None:
    refused(file_of(LOGISTIC, **label))


@pytest.mark.parametrize("scale", [5e-324, 1.0, 1e9])
@pytest.mark.parametrize("bias", [-1e9, 0.0, 1e9])
def test_the_boldest_link_that_is_accepted_gives_probabilities(scale: float, bias: float) -> None:
    margins = np.array([-2, -1e-30, 0, 1e-30, 2, 9e10], np.float32)
    found = Logistic(scale=scale, bias=bias).confidences(margins)
    assert found.dtype == np.float32
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()


def test_the_steepest_steps_that_are_accepted_give_probabilities() -> None:
    link = Isotonic(margins=(-1e9, 0.0, 5e-324, 1e9), levels=(0.0, 0.0, 1.0, 1.0))
    found = link.confidences(np.array([-9e9, -1, 0, 1e-30, 1, 9e9], np.float32))
    assert found.tolist() == [0, 0, 0, 1, 1, 1]


def test_layout_does_not_change_the_hash() -> None:
    content = file_of(LOGISTIC)
    calibration = Calibration.parse(content)
    again = Calibration.parse(json.dumps(json.loads(content), indent=4, sort_keys=True).encode())
    assert again.sha256 == calibration.sha256
    assert Calibration.parse(calibration.to_json().encode()) == calibration


def standin_calibration(prompt_set: PromptSet, **label: object) -> Calibration:
    scoring = prompt_set.scoring_sha256(prompt_set.label("cat"))
    return Calibration.parse(file_of(LOGISTIC, scoring_sha256=scoring, **label))


def test_it_applies_to_labels_that_are_scored_as_they_were_and_to_no_others() -> None:
    prompt_set = load_prompt_set("standin")
    calibration = standin_calibration(prompt_set)
    assert calibration.labels_of(prompt_set) == ("cat",)
    assert labels_in_use(prompt_set, calibration) == prompt_set.labels
    # With one contrast prompt more every margin may be another.
    more = prompt_set.model_copy(update={"contrast": (*prompt_set.contrast, "a shed")})
    assert calibration.labels_of(more) == ()


def test_its_thresholds_take_the_place_of_the_sets() -> None:
    prompt_set = load_prompt_set("standin")
    for label, exits in (({}, 0.12), ({"exit_threshold": 0.1}, 0.1)):
        calibration = standin_calibration(prompt_set, threshold=0.2, **label)
        in_use = {one.id: one for one in labels_in_use(prompt_set, calibration)}
        assert in_use["cat"].threshold == 0.2
        assert in_use["cat"].exit_threshold == pytest.approx(exits)
        assert in_use["car"] == prompt_set.label("car")
