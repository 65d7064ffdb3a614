"""From stored uint8 pictures to what a network takes, on the network's own device."""

from __future__ import annotations

import torch

from worker.encoders.protocol import Pixels
from worker.models.card import ModelCard


def normalise(pixels: Pixels, card: ModelCard, like: torch.Tensor) -> torch.Tensor:
    """Turn uint8 `[n, size, size, 3]` into `[n, 3, size, size]` of the device and type of `like`.

    The bytes travel to the device, a quarter of what floats would, and become
    `(x / 255 - mean) / std` there. Raises ValueError for pictures of another type or size than
    the model's geometry.
    """
    size_px = card.geometry.size_px
    if pixels.dtype.name != "uint8" or pixels.shape[1:] != (size_px, size_px, 3):
        raise ValueError(
            f"{card.id} takes uint8 [n, {size_px}, {size_px}, 3], "
            f"not {pixels.dtype.name} {list(pixels.shape)}"
        )
    # torch.tensor copies: an array read from a file is read-only, which torch warns about.
    pictures = torch.tensor(pixels).to(like.device).permute(0, 3, 1, 2)
    mean = torch.tensor(card.mean, device=like.device).view(1, 3, 1, 1)
    std = torch.tensor(card.std, device=like.device).view(1, 3, 1, 1)
    scaled: torch.Tensor = ((pictures.float() / 255 - mean) / std).to(like.dtype)
    return scaled
