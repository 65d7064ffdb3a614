"""The scale and bias that a model was trained with, as its weights hold them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.clipwarden.models_by_hand import entry, write_weights
from tests.encoders.tiny_models import clip_folder, siglip_folder
from worker.models.card import ModelCard, ScoreScale
from worker.models.file_hashes import FileHashes
from worker.models.folder import folder_card
from worker.models.logits import Logits, read_logits
from worker.models.score_scales import score_scale_of

_NUMPY = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}


def scalar(value: float, dtype: str) -> bytes:
    """The bytes of one number of a type."""
    if dtype == "BF16":
        # The upper half of a float32; the values here need no more than that.
        return np.array(value, "<f4").tobytes()[2:]
    return np.array(value, _NUMPY[dtype]).tobytes()


def weights_of(path: Path, dtype: str = "F32", **values: float) -> Path:
    """Write weights that hold these numbers behind a tensor that is passed over."""
    header, data = {"visual": entry(0, 4, 1)}, bytes(4)
    for name, value in values.items():
        content = scalar(value, dtype)
        header[name] = entry(len(data), len(data) + len(content), dtype=dtype)
        data += content
    return write_weights(path, header, data)


@pytest.mark.parametrize("dtype", ["F32", "F16", "F64", "BF16"])
def test_scale_and_bias_are_read_in_every_type_of_number(tmp_path: Path, dtype: str) -> None:
    path = weights_of(tmp_path / "x.safetensors", dtype, logit_scale=4.75, logit_bias=-12.5)
    found = read_logits([path])
    assert found.scale == pytest.approx(math.exp(4.75))
    assert found.bias == -12.5


def test_of_shards_each_number_is_found_where_it_lies(tmp_path: Path) -> None:
    shards = [
        weights_of(tmp_path / "1.safetensors"),
        weights_of(tmp_path / "2.safetensors", logit_bias=-10.0),
        weights_of(tmp_path / "3.safetensors", "BF16", logit_scale=4.0),
    ]
    assert read_logits(shards) == Logits(math.exp(4.0), -10.0)


def test_without_a_bias_it_is_a_softmax_and_without_a_scale_clips(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    assert read_logits([weights_of(path, logit_scale=3.0)]) == Logits(math.exp(3.0))
    assert read_logits([weights_of(path)]) == Logits(100.0, None)
    assert read_logits([]) == Logits(100.0, None)


@pytest.mark.parametrize(
    "values",
    [
        {"logit_scale": math.nan, "logit_bias": -10.0},
        {"logit_scale": math.inf, "logit_bias": -10.0},
        {"logit_scale": 30.0, "logit_bias": -10.0},
        {"logit_scale": -1e30, "logit_bias": -10.0},
        {"logit_scale": 4.0, "logit_bias": math.nan},
        {"logit_scale": 4.0, "logit_bias": -1e38},
    ],
    ids=str,
)
def test_numbers_that_no_training_gives_are_not_believed(
    tmp_path: Path, values: dict[str, float]
) -> None:
    assert read_logits([weights_of(tmp_path / "x.safetensors", "F32", **values)]) == Logits()


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"logit_scale": entry(0, 8, 2)}, bytes(8)),
        ({"logit_scale": entry(0, 1, 1, dtype="I8")}, bytes(1)),
        ({"logit_scale": entry(0, 2, 1)}, bytes(2)),
        ({"logit_scale": entry(0, 0, 0)}, b""),
        (b"[" * 100_000, b""),
    ],
    ids=["two numbers", "whole numbers", "half a number", "no number", "no header"],
)
def test_what_is_no_number_is_passed_over(tmp_path: Path, header: object, data: bytes) -> None:
    assert read_logits([write_weights(tmp_path / "x.safetensors", header, data)]) == Logits()


def test_a_file_that_is_not_there_is_told_of_elsewhere(tmp_path: Path) -> None:
    assert read_logits([tmp_path / "gone.safetensors"]) == Logits()


def test_siglips_own_bias_becomes_the_floor_of_its_contrasts() -> None:
    scale = score_scale_of("siglip", {}, Logits(117.0, -12.9))
    assert scale == ScoreScale(scale=117.0, bias=0.0, floor=12.9 / 117.0)
    # At the floor the model itself says one half.
    assert scale.floor is not None
    assert 117.0 * scale.floor - 12.9 == pytest.approx(0)


def test_a_clip_keeps_the_bias_of_its_shape_and_has_no_floor() -> None:
    large = {"patch_size": 14, "hidden_size": 1024}
    assert score_scale_of("clip", large, Logits()) == ScoreScale(100 / 1.5, 0.030)
    assert score_scale_of("clip", {}, Logits()) == ScoreScale(100 / 1.5, 0.025)


def card_of(folder: Path) -> ModelCard:
    return folder_card(folder, folder.name, None, "float32", FileHashes(None))


def test_a_folders_card_has_what_its_network_was_saved_with(tmp_path: Path) -> None:
    siglip, clip = card_of(siglip_folder(tmp_path / "s")), card_of(clip_folder(tmp_path / "c"))
    assert siglip.logit_bias == -3.0
    assert siglip.score_scale.floor == pytest.approx(3.0 / siglip.logit_scale)
    assert (clip.logit_bias, clip.score_scale.floor) == (None, None)
    assert ModelCard.from_json(siglip.to_json()) == siglip


def test_a_card_of_the_release_before_is_still_read(tmp_path: Path) -> None:
    card = card_of(clip_folder(tmp_path / "clip"))
    facts = json.loads(card.to_json())
    del facts["logit_scale"], facts["logit_bias"], facts["score_scale"]["floor"]
    read = ModelCard.from_json(json.dumps(facts))
    assert read.key == card.key
    assert (read.logit_scale, read.logit_bias, read.score_scale.floor) == (100.0, None, None)
