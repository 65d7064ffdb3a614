"""The starter's sentence encoder: all-MiniLM-L6-v2, mean-pooled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import AutoModel

from worker.encoders.pretrained import load_network, load_tokenizer

# The published model was trained on up to 256 word pieces and cuts longer texts there.
_TOKENS_MAX = 256
_BATCH = 64


class SentenceEncoder:
    """Turns texts into unit vectors: the mean of the last layer over each text's tokens.

    A card gets one shape only, for it would compile each anew.
    """

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        """Load the network; raises UnsupportedModel when the files can't be read."""
        self._tokenizer = load_tokenizer(folder)
        self._device = device
        self._has_one_shape = device.type != "cpu"
        network: Any = load_network(AutoModel, folder, dtype)
        self._network = network.to(device)

    def embed(self, texts: Sequence[str]) -> torch.Tensor:
        """Embed texts to float32 `[n, dimension]` on the CPU, unit length, in order.

        Texts of like length share a batch, so that little is spent on padding.
        """
        by_length = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        batches = []
        for start in range(0, len(texts), _BATCH):
            chosen = [texts[index] for index in by_length[start : start + _BATCH]]
            missing = _BATCH - len(chosen) if self._has_one_shape else 0
            batches.append(self._embed_batch(chosen + [""] * missing).cpu()[: len(chosen)])
        return torch.cat(batches)[torch.tensor(by_length).argsort()]

    def _embed_batch(self, texts: list[str]) -> torch.Tensor:
        tokens = self._tokenizer(
            texts,
            padding="max_length" if self._has_one_shape else True,
            truncation=True,
            max_length=_TOKENS_MAX,
            return_tensors="pt",
        ).to(self._device)
        states = self._network(**tokens).last_hidden_state.float()
        mask = tokens["attention_mask"].unsqueeze(-1)
        return functional.normalize((states * mask).sum(dim=1) / mask.sum(dim=1), dim=1)
