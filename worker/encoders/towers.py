"""The two halves of a model, apart from where they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from worker.models.card import ModelCard


class TextTower(Protocol):
    """Turns texts into unit vectors."""

    def embed(self, texts: Sequence[str]) -> torch.Tensor:
        """Embed texts to float32 `[n, dimension]` on the CPU, unit length, in order.

        Whole batches are brought there: what varies with n must not be computed on a card, which
        would compile it anew.
        """
        ...


@dataclass(frozen=True)
class Towers:
    """A model ready to be put somewhere.

    `image` turns uint8 `[n, size, size, 3]` RGB into float32 `[n, dimension]` of unit length: the
    model's own normalisation is its first layer, so that bytes travel to the device, a quarter of
    what floats would. It is on the CPU, for a runtime to move; `texts` is where it will stay.
    """

    image: nn.Module
    texts: TextTower


class Normalisation(nn.Module):
    """Bytes to what a network takes: `(x / 255 - mean) / std`, channels first."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, card: ModelCard, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype = dtype
        for name, values in (("mean", card.mean), ("std", card.std)):
            buffer = torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1)
            self.register_buffer(name, buffer, persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 `[n, size, size, 3]` to `[n, 3, size, size]` of the network's type."""
        pictures = pixels.permute(0, 3, 1, 2).float()
        return ((pictures / 255 - self.mean) / self.std).to(self._dtype)
