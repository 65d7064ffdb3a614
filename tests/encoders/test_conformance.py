"""What every encoder must do, whatever model and device stand behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from tests.encoders.tiny_models import (
    TEXTS,
    clip_folder,
    pictures,
    siglip_folder,
    vision_text_folder,
)
from worker.encoders.buckets import plan, static_sizes
from worker.encoders.load import load_encoder
from worker.encoders.parity import require_parity
from worker.encoders.protocol import Encoder, Pixels, Vectors
from worker.models.calibration import store_calibration
from worker.models.card import ModelCard, Precision
from worker.models.precision import cpu_flags, has_bfloat16
from worker.models.resolve import resolve_model

_FOLDERS = {"clip": clip_folder, "siglip": siglip_folder, "vision-text": vision_text_folder}
_COUNT = 7
_BATCH_SIZE = 4

# The fakes of cards run the same contract in processes of their own: see test_hpu_runtime.
_DEVICES = ["cpu", "openvino", *(["cuda"] if torch.cuda.is_available() else [])]


@dataclass(frozen=True)
class Case:
    """A model in a precision on a device."""

    model: str
    device: str
    precision: Precision

    @property
    def tolerance(self) -> float:
        """How far vectors of the same picture may lie apart, entry by entry."""
        return 1e-5 if self.precision == "float32" and self.device != "cuda" else 1e-3


def _cases() -> list[Case]:
    precisions: list[Precision] = ["float32"]
    if has_bfloat16(cpu_flags()):
        precisions.append("bfloat16")
    cases = [
        Case(model, device, precision)
        for model in ("starter", *_FOLDERS)
        for device in _DEVICES
        for precision in precisions
    ]
    return [*cases, Case("clip", "openvino", "int8"), Case("siglip", "openvino", "int8")]


@pytest.fixture(scope="module", params=_cases(), ids=lambda case: "-".join(vars(case).values()))
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(scope="module")
def card(case: Case, tmp_path_factory: pytest.TempPathFactory) -> ModelCard:
    name = case.model
    if name in _FOLDERS:
        name = str(_FOLDERS[name](tmp_path_factory.mktemp("models") / name))
    if case.precision == "int8":
        exact = resolve_model(name)
        return store_calibration(exact, pictures(24, exact.geometry.size_px))
    return resolve_model(name, case.precision)


@pytest.fixture(scope="module")
def encoder(card: ModelCard, case: Case) -> Encoder:
    return load_encoder(card, case.device, _BATCH_SIZE)


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


def test_the_same_pictures_give_the_same_bits_again(encoder: Encoder, pixels: Pixels) -> None:
    np.testing.assert_array_equal(encoder.embed_images(pixels), encoder.embed_images(pixels))


@pytest.mark.parametrize("count", range(1, _COUNT + 1))
def test_a_batch_of_any_size_gives_the_same_vectors(
    encoder: Encoder, pixels: Pixels, case: Case, count: int
) -> None:
    together = encoder.embed_images(pixels)
    np.testing.assert_allclose(
        encoder.embed_images(pixels[:count]), together[:count], atol=case.tolerance
    )


def test_the_place_in_a_batch_does_not_change_a_vector(
    encoder: Encoder, pixels: Pixels, case: Case
) -> None:
    forwards = encoder.embed_images(pixels)
    backwards = encoder.embed_images(pixels[::-1])
    np.testing.assert_allclose(forwards, backwards[::-1], atol=case.tolerance)


def test_it_is_asked_before_every_batch_and_stops_when_told(
    encoder: Encoder, pixels: Pixels
) -> None:
    asked: list[None] = []
    encoder.embed_images(pixels, before_each=lambda: asked.append(None))
    assert len(asked) == len(plan(_COUNT, static_sizes(_BATCH_SIZE))) == 2

    def stop() -> None:
        raise KeyError("nobody wants it")

    with pytest.raises(KeyError):
        encoder.embed_images(pixels, before_each=stop)


def test_nothing_is_compiled_once_every_batch_size_has_run(
    encoder: Encoder, pixels: Pixels
) -> None:
    for size in encoder.batch_sizes:
        encoder.embed_images(pixels[:size])
    warm = encoder.counts().compilations
    assert warm <= len(encoder.batch_sizes)
    for count in range(1, _COUNT + 1):
        encoder.embed_images(pixels[:count])
    assert encoder.counts().compilations == warm


def test_it_passes_the_parity_gate(encoder: Encoder) -> None:
    parity = require_parity(encoder)
    assert parity.limit <= parity.centred_worst <= 1 + 1e-5
    assert parity.limit <= parity.texts_worst <= 1 + 1e-5


def test_the_order_of_texts_is_kept(encoder: Encoder, case: Case) -> None:
    many = [f"{number} {text}" for number in range(40) for text in TEXTS[:2]]
    # Padding to the longest of a batch rounds otherwise in bfloat16.
    tolerance = 1e-5 if case.precision == "float32" else 3e-2
    backwards = encoder.embed_texts(many[::-1])[::-1]
    np.testing.assert_allclose(encoder.embed_texts(many), backwards, atol=tolerance)
    alone = encoder.embed_texts([many[77]])
    np.testing.assert_allclose(encoder.embed_texts(many)[77], alone[0], atol=tolerance)


def test_no_pictures_and_no_texts_give_no_vectors(encoder: Encoder, pixels: Pixels) -> None:
    assert encoder.embed_images(pixels[:0]).shape == (0, encoder.card.dimension)
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


def test_the_device_is_named(encoder: Encoder, case: Case) -> None:
    assert encoder.device.split(":")[0] == case.device
