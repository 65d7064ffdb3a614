"""What a model's settings say about pictures, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.encoders.tiny_models import (
    DIMENSION,
    edit_json,
    siglip_folder,
    vision_text_folder,
    write_json,
)
from worker.errors import UnsupportedModel
from worker.models.card import ModelCard
from worker.models.resolve import resolve_model


@pytest.mark.parametrize(
    ("build", "dimension"), [(siglip_folder, 24), (vision_text_folder, DIMENSION)]
)
def test_squashing_models_say_so(
    build: Callable[[Path], Path], dimension: int, tmp_path: Path
) -> None:
    card = resolve_model(str(build(tmp_path / "model")))
    assert card.geometry.name == "squash-32-bicubic"
    assert card.dimension == dimension


def test_a_processor_saved_as_one_file_is_understood(clip: Path) -> None:
    key = resolve_model(str(clip)).key
    settings = json.loads((clip / "preprocessor_config.json").read_text(encoding="utf-8"))
    (clip / "preprocessor_config.json").unlink()
    write_json(clip / "processor_config.json", {"image_processor": settings})
    assert resolve_model(str(clip)).key == key


@pytest.mark.parametrize(
    "changes",
    [
        {"crop_size": {"height": 24, "width": 24}},
        {"crop_size": {"height": 32, "width": 24}},
        {"size": {"shortest_edge": 48}},
        {"size": {"height": 32, "width": 48}},
        {"size": {"longest_edge": 32}},
        {"size": {"shortest_edge": 10**6}},
        {"size": True},
        {"size": None},
        {"do_center_crop": False},
        {"do_normalize": False},
        {"do_resize": False},
        {"do_pad": True},
        {"resample": 0},
        {"resample": [3]},
        {"rescale_factor": 1},
        {"rescale_factor": 10**400},
        {"image_mean": [0.5]},
        {"image_mean": "abc"},
        {"image_mean": [0.5, 0.5, float("nan")]},
        {"image_mean": [0.5, 0.5, 10**400]},
        {"image_std": [0.5, 0.5, 0]},
        {"image_std": [0.5, 0.5, True]},
    ],
    ids=str,
)
def test_preprocessing_that_we_cannot_do_is_refused(clip: Path, changes: dict[str, Any]) -> None:
    edit_json(clip / "preprocessor_config.json", **changes)
    with pytest.raises(UnsupportedModel) as caught:
        resolve_model(str(clip))
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "changes",
    [{"size": 32}, {"crop_size": 32}, {"resample": 2}, {"rescale_factor": 0.00392156862745098}],
    ids=str,
)
def test_older_and_equivalent_ways_to_say_it_are_understood(
    clip: Path, changes: dict[str, Any]
) -> None:
    edit_json(clip / "preprocessor_config.json", **changes)
    assert resolve_model(str(clip)).geometry.name == "centre-32-bicubic"


@pytest.mark.parametrize(
    ("patch_size", "hidden_size", "bias"),
    [(32, 768, 0.025), (16, 768, 0.04), (14, 1024, 0.03), ([1], {}, 0.03)],
)
def test_confidence_scales_follow_the_architecture(
    clip: Path, patch_size: object, hidden_size: object, bias: float
) -> None:
    tower = {"image_size": 32, "patch_size": patch_size, "hidden_size": hidden_size}
    edit_json(clip / "config.json", vision_config=tower)
    card: ModelCard = resolve_model(str(clip))
    assert card.score_scale.bias == bias
    assert card.score_scale.scale == pytest.approx(100 / 1.5)
