"""The parity gate lets right encoders pass and catches faults that raw cosines hide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.encoders.tiny_models import clip_folder
from worker.encoders.encoder import TowerEncoder
from worker.encoders.load import load_encoder, start_encoder
from worker.encoders.parity import centred_cosines, require_parity
from worker.encoders.probes import PROBE_TEXTS, probe_pictures
from worker.encoders.protocol import Encoder, Pixels, Vectors
from worker.encoders.runtimes.cpu import CpuRuntime
from worker.encoders.towers import TextTower
from worker.encoders.towers_of import load_towers
from worker.errors import DeviceWrong
from worker.models.card import ModelCard
from worker.models.resolve import resolve_model

_CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> ModelCard:
    return resolve_model(str(clip_folder(tmp_path_factory.mktemp("parity") / "clip")))


class _SpoiltRuntime(CpuRuntime):
    """A device that does something to each batch's vectors."""

    def __init__(self, tower: torch.nn.Module, spoil: Callable[[Vectors], Vectors]) -> None:
        super().__init__(tower)
        self._spoil = spoil

    def start(self, batch: Pixels) -> Vectors:
        return self._spoil(super().start(batch))


class _SpoiltTexts:
    """A device that gives every text the vector of the one before."""

    def __init__(self, texts: TextTower) -> None:
        self._texts = texts

    def embed(self, texts: Sequence[str]) -> torch.Tensor:
        return self._texts.embed(texts).roll(1, dims=0)


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, np.float32)


def _noisy(vectors: Vectors) -> Vectors:
    """Add noise that leaves the raw cosine at 0.99."""
    noise = np.random.default_rng(0).normal(size=vectors.shape)
    return _unit(vectors + 0.14 * _unit(np.asarray(noise, np.float32)))


def _first_place_wrong(vectors: Vectors) -> Vectors:
    """Get the first picture of a larger batch wrong."""
    wrong = vectors.copy()
    if len(wrong) > 1:
        wrong[0] = wrong[1]
    return wrong


def _not_numbers(vectors: Vectors) -> Vectors:
    return np.full_like(vectors, np.nan)


def _spoilt(card: ModelCard, spoil: Callable[[Vectors], Vectors]) -> Encoder:
    towers = load_towers(card, torch.float32, _CPU)
    return TowerEncoder(card, _SpoiltRuntime(towers.image, spoil), towers.texts, (1, 4))


def test_the_same_model_on_the_same_device_passes(card: ModelCard) -> None:
    parity = require_parity(load_encoder(card, "cpu", 4))
    assert parity.centred_worst == pytest.approx(1, abs=1e-5)
    assert parity.texts_worst == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("spoil", [_noisy, _first_place_wrong, _not_numbers])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_wrong_vectors_are_caught_in_every_precision(
    card: ModelCard, spoil: Callable[[Vectors], Vectors], precision: Any
) -> None:
    with pytest.raises(DeviceWrong, match="does not give the vectors") as caught:
        require_parity(_spoilt(replace(card, precision=precision), spoil))
    assert caught.value.code == "device.wrong"
    assert "--precision float32" in caught.value.cure


def test_attention_that_mixes_up_its_heads_is_caught_though_raw_cosines_are_high(
    card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = load_encoder(card, "cpu", 8)
    attend = functional.scaled_dot_product_attention
    mixed = _spoilt(card, lambda vectors: vectors)
    # As the bridge's own classes for CLIP do: heads are put together in another order.
    monkeypatch.setattr(
        functional,
        "scaled_dot_product_attention",
        lambda *words, **options: attend(*words, **options).roll(1, dims=1),
    )
    pixels = probe_pictures(8, card.geometry.size_px)
    wrong = mixed.embed_images(pixels)
    monkeypatch.undo()
    reference = right.embed_images(pixels)
    assert centred_cosines(wrong, reference).min() < 0.95
    assert (wrong * reference).sum(axis=1).mean() > centred_cosines(wrong, reference).min()


def test_texts_that_are_mixed_up_are_caught(card: ModelCard) -> None:
    towers = load_towers(card, torch.float32, _CPU)
    encoder = TowerEncoder(card, CpuRuntime(towers.image), _SpoiltTexts(towers.texts), (4,))
    with pytest.raises(DeviceWrong, match="for texts"):
        require_parity(encoder)


def test_a_start_says_what_it_does_and_runs_every_batch_size(card: ModelCard) -> None:
    said: list[str] = []
    encoder, parity = start_encoder(card, "openvino", 8, said.append)
    assert parity is not None
    assert encoder.batch_sizes == (1, 2, 8)
    assert [words for words in said if "batch of" in words] == [
        f"running a batch of {size}" for size in (1, 2, 8)
    ]
    assert encoder.counts().compilations == 3


def test_the_reference_itself_is_not_compared(card: ModelCard) -> None:
    assert start_encoder(card, "cpu", 4, lambda words: None)[1] is None


def test_probes_are_the_same_every_time_and_unlike_each_other(tmp_path: Path) -> None:
    few, many = probe_pictures(3, 64), probe_pictures(16, 64)
    np.testing.assert_array_equal(few, many[:3])
    flat = many.reshape(16, -1).astype(float)
    flat -= flat.mean(axis=1, keepdims=True)
    alike = np.corrcoef(flat) - np.eye(16)
    assert np.abs(alike).max() < 0.9
    assert len(set(PROBE_TEXTS)) == len(PROBE_TEXTS)
