"""Calibrations in the stores, and files that claim to be some."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from clipwarden.calibration.calibrate import Settings, calibrate
from clipwarden.calibration.document import own_links, to_calibration
from clipwarden.calibration.thresholds import Wish
from ingest.errors import BlobCorrupt, BlobMissing
from ingest.stores import Stores
from prompts.calibration import Calibration
from prompts.errors import InvalidCalibration
from prompts.loader import load_prompt_set
from tests.calibration.drawn import drawn_examples
from worker.calibrations import (
    active_calibration,
    deactivate_calibrations,
    list_calibrations,
    load_calibration,
    store_calibration,
)
from worker.models.resolve import resolve_model

TENANT = "default"


def made(seed: int = 5, wish: Wish | None = None) -> Calibration:
    """A calibration of one label of a shipped set for the starter."""
    prompt_set, card = load_prompt_set("standin"), resolve_model("starter")
    settings = Settings(wish=wish)
    label = prompt_set.label("suit")
    fitted = calibrate(drawn_examples(800, ("suit",), seed=seed), [label], settings)
    return to_calibration(
        fitted,
        settings,
        prompt_set,
        card,
        sampling="fps:2",
        created_at=datetime(2026, 3, 4, tzinfo=UTC),
    )


def test_a_file_comes_back_as_it_was_and_its_hash_is_its_content() -> None:
    calibration = made(wish=Wish("precision", 0.8))
    again = Calibration.parse(calibration.to_json().encode())
    assert again == calibration
    assert again.sha256 == calibration.sha256
    assert made(seed=6).sha256 != calibration.sha256
    assert calibration.target == "precision of at least 0.8 per frame"
    suit = calibration.labels["suit"]
    assert suit.threshold is not None
    assert suit.exit_threshold == pytest.approx(0.6 * suit.threshold)
    assert suit.measured["calibration_error_after"] < suit.measured["calibration_error_before"]
    assert set(calibration.labels) == {"suit"}


def test_what_the_fit_says_of_margins_is_what_the_stored_link_says() -> None:
    prompt_set, card = load_prompt_set("standin"), resolve_model("starter")
    examples = drawn_examples(800, ("suit",))
    [report] = calibrate(examples, [prompt_set.label("suit")], Settings()).labels
    own = own_links(prompt_set, card)["suit"]
    margins = (examples.log_odds[:, 0] / own.scale + own.bias).astype("float32")
    found = made().labels["suit"].link.confidences(margins)
    assert found == pytest.approx(report.final, abs=1e-3)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", "clipwarden.calibration/9"),
        ("model_key", "../../etc"),
        ("labels", []),
        ("labels", {"suit": {"link": {"kind": "pickle"}}}),
        ("labels", {"suit; DROP TABLE": {}}),
        ("created_at", "a\nb"),
        ("surprise", 1),
    ],
)
def test_a_hostile_file_is_refused(key: str, value: object) -> None:
    content = json.loads(made().to_json()) | {key: value}
    with pytest.raises(InvalidCalibration):
        Calibration.parse(json.dumps(content).encode())


@pytest.mark.parametrize(
    "link",
    [
        {"kind": "logistic", "scale": -1.0, "bias": 0.0},
        {"kind": "logistic", "scale": 1e400, "bias": 0.0},
        {"kind": "isotonic", "margins": [0.0, 0.0], "levels": [0.0, 1.0]},
        {"kind": "isotonic", "margins": [0.0, 1.0], "levels": [1.0, 0.0]},
        {"kind": "isotonic", "margins": [0.0], "levels": [2.0]},
        {"kind": "isotonic", "margins": list(range(5000)), "levels": [0.5] * 5000},
    ],
)
def test_a_link_that_does_not_rise_within_0_and_1_is_refused(link: dict[str, object]) -> None:
    content = json.loads(made().to_json())
    content["labels"]["suit"]["link"] = link
    with pytest.raises(InvalidCalibration):
        Calibration.parse(json.dumps(content).encode())


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidCalibration):
        Calibration.parse(content)


@pytest.mark.every_backend
def test_one_is_active_for_a_model_and_a_set_and_all_stay_readable(stores: Stores) -> None:
    first, second = made(seed=1), made(seed=2)
    of = (first.model_key, "standin")
    assert active_calibration(stores, TENANT, *of) is None
    store_calibration(stores, TENANT, first, activate=True)
    store_calibration(stores, TENANT, second, activate=False)
    assert active_calibration(stores, TENANT, *of) == first
    store_calibration(stores, TENANT, second, activate=True)
    assert active_calibration(stores, TENANT, *of) == second
    # Storing one again takes no active one out of use.
    store_calibration(stores, TENANT, first, activate=False)
    store_calibration(stores, TENANT, second, activate=False)
    assert active_calibration(stores, TENANT, *of) == second
    assert active_calibration(stores, TENANT, first.model_key, "moderation") is None
    assert active_calibration(stores, "another", *of) is None

    listed = list_calibrations(stores, TENANT)
    assert {one.sha256: one.is_active for one in listed} == {
        first.sha256: False,
        second.sha256: True,
    }
    assert deactivate_calibrations(stores, TENANT, *of)
    assert not deactivate_calibrations(stores, TENANT, *of)
    assert active_calibration(stores, TENANT, *of) is None
    assert load_calibration(stores, TENANT, second.sha256) == second


def test_a_blob_that_was_changed_is_not_taken_for_what_was_stored(stores: Stores) -> None:
    first, second = made(seed=1), made(seed=2)
    store_calibration(stores, TENANT, first, activate=True)
    key = f"{TENANT}/calibrations/{first.sha256}.json"
    stores.blobs.put(key, second.to_json().encode())
    with pytest.raises(BlobCorrupt):
        active_calibration(stores, TENANT, first.model_key, "standin")
    stores.blobs.put(key, b"{}")
    with pytest.raises(BlobCorrupt):
        load_calibration(stores, TENANT, first.sha256)
    with pytest.raises(BlobMissing):
        load_calibration(stores, TENANT, second.sha256)
