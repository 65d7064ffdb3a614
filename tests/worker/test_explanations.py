"""A result explains itself: its JSON and the stored arrays are enough to compute it anew."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest.media.spec import SamplingSpec
from ingest.stores import Stores
from ingest.tables import DEFAULT_TENANT, Submission
from ingest.works import work_of
from prompts.calibration import Calibration
from prompts.label import Label
from prompts.schema import PromptSet
from tests.clips import BLUE, GREEN, RED, write_scenes
from tests.worker.chain import Chain, prompt_set
from tests.worker.fake_encoder import FAKE_CARD
from worker.calibrations import store_calibration
from worker.frames import load_frames
from worker.results import read_document
from worker.scored import Scorer
from worker.storing import store_result
from worker.texts import require_text_vectors
from worker.versions import Version


class Reader:
    """Somebody with numpy, a result's JSON and the files of the store; nothing of ours."""

    def __init__(self, text: str, stores: Stores) -> None:
        self.result = json.loads(text)
        self._stores = stores

    def confidences(self, segment: dict[str, Any]) -> list[float]:
        """Compute the confidence of each of a segment's frames."""
        because = segment["explanation"]
        [scoring] = [
            one for one in self.result["scoring"] if one["prompt_set"] == segment["prompt_set"]
        ]
        margins = [
            self._margin(scoring, segment["label"], because, place)
            for place in range(len(because["times_ms"]))
        ]
        return [self._linked(because["link"], margin) for margin in margins]

    def _margin(
        self, scoring: dict[str, Any], label: str, because: dict[str, Any], place: int
    ) -> float:
        blob, row = because["vectors"][place]
        if because["scored_by"] == "classifier":
            [scores] = scoring["scores"].values()
            probability = float(self._array(scores[blob]["key"], "scores")[row])
            probability = min(max(probability, 1e-6), 1 - 1e-6)
            return math.log(probability / (1 - probability))
        vector = self._array(scoring["vectors"][blob]["key"], "vectors")[row]
        if because["scored_by"] == "head":
            [head] = [one for one in scoring["heads"] if one["label"] == label]
            return float(vector @ np.array(head["weights"]) + head["bias"])
        positive = self._cosine(scoring, because["prompts"][place], vector)
        contrast = because["contrasts"][place]
        if contrast == -1:
            return positive - float(scoring["floor"])
        return positive - self._cosine(scoring, contrast, vector)

    def _cosine(self, scoring: dict[str, Any], place: int, vector: NDArray[np.float32]) -> float:
        rows = self._array(scoring["text_vectors"], "vectors")[scoring["prompts"][place]["rows"]]
        mean = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0)
        return float(vector @ (mean / np.linalg.norm(mean)))

    @staticmethod
    def _linked(link: dict[str, Any], margin: float) -> float:
        if link["kind"] == "isotonic":
            return float(np.interp(margin, link["margins"], link["levels"]))
        return 1 / (1 + math.exp(-link["scale"] * (margin - link["bias"])))

    def _array(self, key: str, name: str) -> NDArray[np.float32]:
        with np.load(io.BytesIO(self._stores.blobs.read(key)), allow_pickle=False) as arrays:
            return np.asarray(arrays[name])


def check_all(text: str, stores: Stores) -> int:
    """Compute every confidence of a result anew and compare; returns how many."""
    reader, checked = Reader(text, stores), 0
    for segment in reader.result["segments"]:
        found = reader.confidences(segment)
        because = segment["explanation"]
        assert found == pytest.approx(because["confidences"], abs=2e-5)
        assert max(found) == pytest.approx(segment["confidence"], abs=1e-4)
        assert np.mean(found) == pytest.approx(segment["mean_confidence"], abs=1e-4)
        assert len(found) == segment["frames"]
        peak = because["times_ms"][int(np.argmax(because["confidences"]))]
        assert peak == segment["peak_ms"]
        assert max(found) >= because["threshold"]
        assert min(found) >= because["exit_threshold"] - 2e-5
        checked += len(found)
    return checked


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    colours = [(RED, 2.0), (GREEN, 2.0), (BLUE, 2.0), (RED, 1.0)]
    return write_scenes(tmp_path / "scenes.mp4", colours, width=64, height=48)


def head() -> dict[str, object]:
    return {
        "schema": "clipwarden.head/1",
        "label": "warm",
        "model_key": FAKE_CARD.key,
        "model_id": FAKE_CARD.id,
        "weights": [4.0, -2.0, -2.0],
        "bias": -0.5,
        "trained_on": {"positives": 9, "negatives": 9, "source": "a folder"},
        "created_at": "2026-11-22T00:00:00Z",
    }


def labels() -> tuple[Label, ...]:
    warm = Label.model_validate({"id": "warm", "heads": (head(),)})
    return (*(Label(id=name, prompts=(name,)) for name in ("blue", "green", "red")), warm)


def test_every_confidence_can_be_computed_from_the_json_and_the_stored_arrays(
    chain: Chain, scenes: Path
) -> None:
    document = chain.analyze(scenes, [prompt_set(*labels())], sampling="fps:25")
    assert {one.label for one in document.segments} == {"blue", "green", "red", "warm"}
    # Three chunks: rows are told by chunk.
    assert len(document.scoring[0].vectors) > 2
    assert check_all(document.to_json(), chain.stores) > 200


def test_a_calibrated_result_explains_itself_by_the_calibration(chain: Chain, scenes: Path) -> None:
    colours = prompt_set(*labels())
    calibration = fitted(colours)
    submitted = chain.submit(scenes, [colours], sampling="fps:5")
    chain.run()
    plain = chain.document(submitted)
    rescored = score_with(chain, submitted.id, colours, calibration)
    assert check_all(rescored, chain.stores) > 20
    found = json.loads(rescored)
    [told] = {one["calibration"] for one in found["prompt_sets"]}
    assert told == calibration.sha256
    by_label = {one["label"]: one["explanation"] for one in found["segments"]}
    assert by_label["red"]["link"]["kind"] == "isotonic"
    assert by_label["red"]["threshold"] == 0.3
    assert by_label["red"]["calibrated"]
    assert not by_label["green"]["calibrated"]
    assert [one.explanation for one in plain.segments if one.label == "green"] != []
    assert plain.prompt_sets[0].calibration is None
    # The other version is still there, unchanged.
    assert chain.document(submitted) == plain


def fitted(colours: PromptSet) -> Calibration:
    red = colours.label("red")
    return Calibration.model_validate(
        {
            "schema": "clipwarden.calibration/1",
            "model_key": FAKE_CARD.key,
            "model_id": FAKE_CARD.id,
            "prompt_set": colours.name,
            "prompt_set_version": colours.version,
            "prompt_set_sha256": colours.sha256,
            "sampling": "fps:5",
            "created_at": "2026-11-22T00:00:00Z",
            "labels": {
                "red": {
                    "link": {"kind": "isotonic", "margins": (-0.5, 0.5), "levels": (0.1, 0.9)},
                    "scoring_sha256": colours.scoring_sha256(red),
                    "threshold": 0.3,
                },
                # Of other prompts than the label has now: it must not be used.
                "blue": {
                    "link": {"kind": "logistic", "scale": 1.0, "bias": 0.0},
                    "scoring_sha256": "0" * 64,
                },
            },
        }
    )


def score_with(
    chain: Chain, submission_id: str, colours: PromptSet, calibration: Calibration
) -> str:
    """Score what is stored with a calibration beside, and return the document of that version."""
    stores = chain.stores
    store_calibration(stores, DEFAULT_TENANT, calibration, activate=False)
    [row] = [one for one in chain.rows(Submission) if one.id == submission_id]
    work = work_of(row)
    texts = require_text_vectors(stores, DEFAULT_TENANT, work.model_key, colours)
    scorer = Scorer.of(FAKE_CARD, colours, calibration, texts)
    spec = SamplingSpec.parse(row.sampling)
    store_result(stores, scorer.score(work, load_frames(stores, work), spec))
    version = Version(colours.sha256, calibration.sha256)
    return read_document(stores, DEFAULT_TENANT, submission_id, [version]).to_json()


def test_the_sentence_speaks_of_the_peak_and_of_nearness_only_where_there_is_any(
    chain: Chain, scenes: Path
) -> None:
    colours = prompt_set(*labels()[:3])
    calibration = fitted(colours).model_dump(by_alias=True)
    # Level everywhere: the first frame, which is red, is the peak of what lasts to the end.
    level = {"kind": "isotonic", "margins": (0.0,), "levels": (0.9,)}
    calibration["labels"] = {
        name: {"link": level, "scoring_sha256": colours.scoring_sha256(colours.label(name))}
        for name in ("red", "green")
    }
    submitted = chain.submit(scenes, [colours], sampling="fps:5")
    chain.run()
    level_set = Calibration.model_validate(calibration)
    told = json.loads(score_with(chain, submitted.id, colours, level_set))
    because = {one["label"]: one["explanation"] for one in told["segments"]}
    red, green = because["red"], because["green"]
    assert len(red["margins"]) == len(green["margins"]) == 35
    assert red["because"] == f'"red" is nearer than "grey" by {red["margins"][0]:.3f}'
    assert green["margins"][0] < 0 < max(green["margins"])
    assert green["because"] == f'"green" comes within {-green["margins"][0]:.3f} of "grey"'


def test_a_flag_says_which_rule_fired_and_which_segments_it_counted(
    chain: Chain, scenes: Path
) -> None:
    colours = prompt_set(*labels()[:3])
    ruled = PromptSet.model_validate(
        colours.model_dump()
        | {
            "rules": (
                {"id": "twice", "labels": ("red",), "min_segments": 2, "nsfw": True},
                {"id": "long", "labels": ("blue",), "min_total_ms": 60_000},
            )
        }
    )
    document = chain.analyze(scenes, [ruled], sampling="fps:5")
    by_rule = {one.rule: one for one in document.flags.reasons}
    assert set(by_rule) == {"twice", None}
    counted = [document.segments[place] for place in by_rule["twice"].segments]
    assert [one.label for one in counted] == ["red", "red"]
    assert by_rule["twice"].total_ms == pytest.approx(3000, abs=400)
    assert by_rule[None].labels == ("green",)
    assert document.flags.nsfw
    # The blue scene is there, but not long enough for its rule: it flags nothing.
    assert document.flags.labels == ("green", "red")
    assert "blue" in {one.label for one in document.segments}
