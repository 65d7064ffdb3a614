"""Dual encoders of transformers: CLIP, SigLIP and VisionTextDualEncoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPModel, SiglipModel, VisionTextDualEncoderModel

from worker.encoders.pretrained import load_network, load_tokenizer
from worker.encoders.towers import Normalisation, Towers
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


def load_dual(card: ModelCard, dtype: torch.dtype, text_device: torch.device) -> Towers:
    """Load both towers from `card.folder`; raises ModelError when they can't be read."""
    model_type = read_model_type(card.folder)
    network: Any = load_network(_NETWORKS[model_type], card.folder, dtype)
    return Towers(
        image=_ImageTower(network, card, dtype).eval(),
        texts=_Texts(network, card, model_type == _SIGLIP, text_device),
    )


class _ImageTower(nn.Module):
    """Pixels to unit vectors: the pooled state, projected where the model has a projection.

    Reading `pooler_output` gives the same bits on transformers 4.55 and 5, where
    `get_image_features` returns different things.
    """

    def __init__(self, network: Any, card: ModelCard, dtype: torch.dtype) -> None:
        super().__init__()
        self.normalisation = Normalisation(card, dtype)
        self.vision_model = network.vision_model
        self.projection = getattr(network, "visual_projection", nn.Identity())

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        pooled = self.vision_model(pixel_values=self.normalisation(pixels)).pooler_output
        return functional.normalize(self.projection(pooled).float(), dim=1)


class _TextNetwork(nn.Module):
    """Tokens to unit vectors, in the same way."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.text_model = network.text_model
        self.projection = getattr(network, "text_projection", nn.Identity())

    def forward(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        pooled = self.text_model(**tokens).pooler_output
        return functional.normalize(self.projection(pooled).float(), dim=1)


class _Texts:
    """The text tower with its tokenizer; see `TextTower`.

    What is longer than the tower reads (77 tokens in CLIP, 64 in SigLIP) is cut off. A card gets
    one shape only, for it would compile each anew.
    """

    def __init__(
        self, network: Any, card: ModelCard, is_siglip: bool, device: torch.device
    ) -> None:
        self._network = _TextNetwork(network).eval().to(device)
        self._device = device
        self._dimension = card.dimension
        self._is_siglip = is_siglip
        self._has_one_shape = device.type != "cpu"
        self._tokenizer = load_tokenizer(card.folder)
        self._tokens_max = _tokens_max(network.config.text_config, self._tokenizer.model_max_length)

    def embed(self, texts: Sequence[str]) -> torch.Tensor:
        """Embed texts to float32 `[n, dimension]` on the CPU, unit length, in order."""
        batches = []
        for start in range(0, len(texts), _TEXT_BATCH):
            batch = list(texts[start : start + _TEXT_BATCH])
            missing = _TEXT_BATCH - len(batch) if self._has_one_shape else 0
            tokens = self._tokens(batch + [""] * missing)
            batches.append(self._network(tokens).cpu()[: len(batch)])
        return torch.cat(batches)

    def _tokens(self, texts: list[str]) -> dict[str, torch.Tensor]:
        tokens = self._tokenizer(
            [text.lower() for text in texts] if self._is_siglip else texts,
            padding="max_length" if self._is_siglip or self._has_one_shape else True,
            truncation=True,
            max_length=self._tokens_max,
            return_tensors="pt",
        )
        names = ["input_ids"] if self._is_siglip else list(tokens)
        return {name: tokens[name].to(self._device) for name in names}


def _tokens_max(text_config: Any, tokenizer_max: int) -> int:
    positions = int(text_config.max_position_embeddings)
    if "roberta" in text_config.model_type:
        positions -= _UNUSED_POSITIONS
    return min(positions, tokenizer_max)
