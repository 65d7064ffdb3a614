"""From a model's identity to its two halves."""

from __future__ import annotations

import torch

from worker.encoders.dual import load_dual
from worker.encoders.starter import load_starter
from worker.encoders.towers import Towers
from worker.models.card import ModelCard


def load_towers(card: ModelCard, dtype: torch.dtype, text_device: torch.device) -> Towers:
    """Load a model's two halves, the image tower on the CPU; raises ModelError."""
    load = load_starter if card.kind == "starter" else load_dual
    return load(card, dtype, text_device)
