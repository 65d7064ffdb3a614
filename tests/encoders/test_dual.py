"""Dual encoders against transformers' own scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.encoders.reference import (
    logit_scale_and_bias,
    reference_pixel_values,
    reference_scores,
)
from tests.encoders.tiny_models import (
    TEXTS,
    clip_folder,
    pictures,
    siglip_folder,
    vision_text_folder,
)
from worker.encoders.load import load_encoder
from worker.encoders.towers import Normalisation
from worker.models.card import ModelCard
from worker.models.resolve import resolve_model

Builder = Callable[[Path], Path]


def _scores(folder: Path, texts: list[str]) -> NDArray[np.float32]:
    encoder = load_encoder(resolve_model(str(folder)))
    scale, bias = logit_scale_and_bias(folder)
    cosines = encoder.embed_images(pictures(5)) @ encoder.embed_texts(texts).T
    return np.asarray(cosines * scale + bias, dtype=np.float32)


def test_clip_scores_equal_those_of_transformers(tmp_path: Path) -> None:
    folder = clip_folder(tmp_path / "clip")
    expected = reference_scores(folder, pictures(5), list(TEXTS), 40, padding=True)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(_scores(folder, list(TEXTS)), expected, atol=1e-4)


def test_siglip_scores_equal_those_of_transformers(tmp_path: Path) -> None:
    folder = siglip_folder(tmp_path / "siglip")
    texts = [text.lower() for text in TEXTS]
    expected = reference_scores(folder, pictures(5), texts, 20, padding="max_length")
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(_scores(folder, texts), expected, atol=1e-4)


def test_siglip_reads_capitals_as_small_letters(tmp_path: Path) -> None:
    encoder = load_encoder(resolve_model(str(siglip_folder(tmp_path / "siglip"))))
    loud, quiet = encoder.embed_texts(["A PHOTO of A Dog", "a photo of a dog"])
    np.testing.assert_array_equal(loud, quiet)


def test_vision_text_scores_equal_those_of_transformers(tmp_path: Path) -> None:
    folder = vision_text_folder(tmp_path / "joined")
    expected = reference_scores(folder, pictures(5), list(TEXTS), 30, padding=True)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(_scores(folder, list(TEXTS)), expected, atol=1e-4)


@pytest.mark.parametrize("build", [clip_folder, siglip_folder, vision_text_folder])
def test_normalised_pixels_equal_those_of_the_pil_processor(build: Builder, tmp_path: Path) -> None:
    folder = build(tmp_path / "model")
    card = resolve_model(str(folder))
    ours = Normalisation(card, torch.float32)(torch.from_numpy(pictures(3)))
    np.testing.assert_allclose(ours, reference_pixel_values(folder, pictures(3)), atol=1e-5)


def test_bfloat16_is_another_model_with_nearly_the_same_vectors(tmp_path: Path) -> None:
    folder = str(clip_folder(tmp_path / "clip"))
    exact, rough = resolve_model(folder), resolve_model(folder, "bfloat16")
    assert exact.key != rough.key
    precise = load_encoder(exact).embed_images(pictures(4))
    rounded = load_encoder(rough).embed_images(pictures(4))
    assert (precise * rounded).sum(axis=1).min() > 0.99
    assert not np.array_equal(precise, rounded)


def test_a_card_that_travelled_as_json_loads_the_same_encoder(tmp_path: Path) -> None:
    card = resolve_model(str(clip_folder(tmp_path / "clip")))
    travelled = ModelCard.from_json(card.to_json())
    assert travelled == card
    np.testing.assert_array_equal(
        load_encoder(travelled).embed_images(pictures(2)),
        load_encoder(card).embed_images(pictures(2)),
    )
