"""From a model's identity to a running encoder."""

from __future__ import annotations

import torch

from worker.encoders.device import find_device
from worker.encoders.dual import DualEncoder
from worker.encoders.protocol import Encoder
from worker.encoders.starter import StarterEncoder
from worker.models.card import ModelCard


def load_encoder(card: ModelCard, device: str = "cpu") -> Encoder:
    """Load the encoder of `card` onto `device` (`cpu`, `cuda`, `cuda:1`), ready to embed.

    Raises DeviceUnavailable when the device is not there, ModelError when files are missing,
    altered or don't fit each other.
    """
    place = find_device(device)
    # cuDNN rounds the inputs of float32 convolutions to 10 bits unless told not to.
    torch.backends.cudnn.allow_tf32 = False
    if card.kind == "starter":
        return StarterEncoder(card, place)
    return DualEncoder(card, place)
