"""What every encoder must do, whatever stands behind it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.encoders.tiny_models import (
    TEXTS,
    clip_folder,
    pictures,
    siglip_folder,
    vision_text_folder,
)
from worker.encoders.batching import embed_in_batches
from worker.encoders.load import load_encoder
from worker.encoders.protocol import Encoder, Pixels, Vectors
from worker.models.resolve import resolve_model

_FOLDERS = {"clip": clip_folder, "siglip": siglip_folder, "vision-text": vision_text_folder}
_COUNT = 7


@pytest.fixture(scope="module", params=["starter", *_FOLDERS])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    name: str = request.param
    if name in _FOLDERS:
        name = str(_FOLDERS[name](tmp_path_factory.mktemp("models") / name))
    return load_encoder(resolve_model(name))


@pytest.fixture(scope="module")
def pixels(encoder: Encoder) -> Pixels:
    return pictures(_COUNT, encoder.card.geometry.size_px)


def _assert_unit_vectors(vectors: Vectors, count: int, encoder: Encoder) -> None:
    assert vectors.dtype == np.float32
    assert vectors.shape == (count, encoder.card.dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_pictures_become_unit_vectors(encoder: Encoder, pixels: Pixels) -> None:
    _assert_unit_vectors(encoder.embed_images(pixels), _COUNT, encoder)


def test_texts_become_unit_vectors(encoder: Encoder) -> None:
    _assert_unit_vectors(encoder.embed_texts(TEXTS), len(TEXTS), encoder)


def test_different_pictures_get_different_vectors(encoder: Encoder, pixels: Pixels) -> None:
    vectors = encoder.embed_images(pixels)
    assert np.ptp(vectors, axis=0).max() > 1e-3


def test_the_same_batch_gives_the_same_bits_again(encoder: Encoder, pixels: Pixels) -> None:
    np.testing.assert_array_equal(encoder.embed_images(pixels), encoder.embed_images(pixels))


@pytest.mark.parametrize("batch_size", range(1, _COUNT + 2))
def test_the_batch_size_does_not_change_the_vectors(
    encoder: Encoder, pixels: Pixels, batch_size: int
) -> None:
    together = encoder.embed_images(pixels)
    in_batches, runs = embed_in_batches(encoder, pixels, batch_size)
    assert runs == math.ceil(_COUNT / batch_size)
    np.testing.assert_allclose(in_batches, together, atol=1e-5)


def test_the_order_of_texts_is_kept(encoder: Encoder) -> None:
    many = [f"{number} {text}" for number in range(40) for text in TEXTS[:2]]
    backwards = encoder.embed_texts(many[::-1])[::-1]
    np.testing.assert_allclose(encoder.embed_texts(many), backwards, atol=1e-5)
    alone = encoder.embed_texts([many[77]])
    np.testing.assert_allclose(encoder.embed_texts(many)[77], alone[0], atol=1e-5)


def test_no_pictures_and_no_texts_give_no_vectors(encoder: Encoder, pixels: Pixels) -> None:
    none, runs = embed_in_batches(encoder, pixels[:0], 8)
    assert none.shape == (0, encoder.card.dimension)
    assert runs == 0
    assert encoder.embed_texts([]).shape == (0, encoder.card.dimension)


def test_read_only_pixels_are_taken_and_left_alone(encoder: Encoder, pixels: Pixels) -> None:
    frozen = pixels.copy()
    frozen.flags.writeable = False
    encoder.embed_images(frozen)
    np.testing.assert_array_equal(frozen, pixels)


def test_pictures_of_another_size_or_type_are_refused(encoder: Encoder, pixels: Pixels) -> None:
    with pytest.raises(ValueError, match="takes uint8"):
        encoder.embed_images(pixels[:, :-1])
    with pytest.raises(ValueError, match="takes uint8"):
        encoder.embed_images(pixels.astype(np.float32))


def test_the_device_is_named(encoder: Encoder) -> None:
    assert encoder.device == "cpu"


def test_a_batch_of_nothing_is_refused(encoder: Encoder, pixels: Pixels) -> None:
    with pytest.raises(ValueError, match="at least one"):
        embed_in_batches(encoder, pixels, 0)
