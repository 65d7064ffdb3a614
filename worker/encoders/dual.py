"""Dual encoders of transformers: CLIP, SigLIP and VisionTextDualEncoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPModel, SiglipModel, VisionTextDualEncoderModel

from worker.encoders.pixels import normalise
from worker.encoders.pretrained import dtype_of, load_network, load_tokenizer
from worker.encoders.protocol import Pixels, Vectors
from worker.models.card import ModelCard
from worker.models.folder import read_model_type

_NETWORKS: dict[str, type[Any]] = {
    "clip": CLIPModel,
    "siglip": SiglipModel,
    "vision-text-dual-encoder": VisionTextDualEncoderModel,
}
# SigLIP learned from lower-cased texts padded to full length, and without an attention mask.
_SIGLIP = "siglip"
# RoBERTa numbers its positions from 2, so that many fewer tokens fit.
_UNUSED_POSITIONS = 2
_TEXT_BATCH = 32


class _ImageTower(nn.Module):
    """Pixels to unit vectors: the pooled state, projected where the model has a projection.

    Reading `pooler_output` gives the same bits on transformers 4.55 and 5, where
    `get_image_features` returns different things.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.vision_model = network.vision_model
        self.projection = getattr(network, "visual_projection", nn.Identity())

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        pooled = self.vision_model(pixel_values=pictures).pooler_output
        return functional.normalize(self.projection(pooled).float(), dim=1)


class _TextTower(nn.Module):
    """Tokens to unit vectors, in the same way."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.text_model = network.text_model
        self.projection = getattr(network, "text_projection", nn.Identity())

    def forward(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        pooled = self.text_model(**tokens).pooler_output
        return functional.normalize(self.projection(pooled).float(), dim=1)


class DualEncoder:
    """An image tower and a text tower that were trained to meet in one space."""

    def __init__(self, card: ModelCard, device: torch.device) -> None:
        """Load both towers from `card.folder`; raises ModelError when they can't be read."""
        self._card = card
        self._device = device
        self._model_type = read_model_type(card.folder)
        network: Any = load_network(
            _NETWORKS[self._model_type], card.folder, device, dtype_of(card.precision)
        )
        self._image_tower = _ImageTower(network).eval()
        self._text_tower = _TextTower(network).eval()
        self._weight = next(network.vision_model.parameters())
        self._tokenizer = load_tokenizer(card.folder)
        self._tokens_max = _tokens_max(network.config.text_config, self._tokenizer.model_max_length)

    @property
    def card(self) -> ModelCard:
        """The model's identity."""
        return self._card

    @property
    def device(self) -> str:
        """Where it runs."""
        return str(self._device)

    @torch.inference_mode()
    def embed_images(self, pixels: Pixels) -> Vectors:
        """Embed uint8 RGB `[n, size, size, 3]` to float32 `[n, dimension]`, unit length."""
        vectors = self._image_tower(normalise(pixels, self._card, like=self._weight))
        return np.asarray(vectors.cpu().numpy(), dtype=np.float32)

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts to float32 `[n, dimension]`, unit length, in the order given.

        What is longer than the text tower reads (77 tokens in CLIP, 64 in SigLIP) is cut off.
        """
        vectors = np.empty((len(texts), self._card.dimension), dtype=np.float32)
        for start in range(0, len(texts), _TEXT_BATCH):
            end = start + _TEXT_BATCH
            batch = self._text_tower(self._tokens(list(texts[start:end])))
            vectors[start:end] = batch.cpu().numpy()
        return vectors

    def _tokens(self, texts: list[str]) -> dict[str, torch.Tensor]:
        is_siglip = self._model_type == _SIGLIP
        tokens = self._tokenizer(
            [text.lower() for text in texts] if is_siglip else texts,
            padding="max_length" if is_siglip else True,
            truncation=True,
            max_length=self._tokens_max,
            return_tensors="pt",
        ).to(self._device)
        return {"input_ids": tokens["input_ids"]} if is_siglip else dict(tokens)


def _tokens_max(text_config: Any, tokenizer_max: int) -> int:
    positions = int(text_config.max_position_embeddings)
    if "roberta" in text_config.model_type:
        positions -= _UNUSED_POSITIONS
    return min(positions, tokenizer_max)
