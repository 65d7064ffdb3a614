"""How much one image costs an image tower, from the model's config.json."""

from __future__ import annotations

from typing import Any

from worker.models.card import ModelCard
from worker.models.folder import read_json

# What config.json leaves out where it is as transformers' CLIPVisionConfig has it.
_DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "image_size": 224,
    "patch_size": 32,
    "num_channels": 3,
}
_CLASS_TOKEN = {"clip": 1, "siglip": 0}
_DEFAULT_PROJECTION = 512


def flop_per_image(card: ModelCard) -> float | None:
    """Floating-point operations of a vision transformer for one image; None for other models.

    Counted are matrix products, a multiplication with its addition as two, as in "An Image is
    Worth 16x16 Words" (Dosovitskiy et al., 2020) the tower is built. With T tokens of width W,
    hidden width M, L layers, patches of P pixels and C channels, D the projection:

        patches   2 T' C P^2 W                  (T' without the class token)
        a layer   2 T (4 W^2 + 2 W M) + 4 T^2 W (projections and MLP; scores and their sum)
        in all    patches + L layers + 2 W D

    A ViT-B/32 has 8.8 GFLOP, which is what open_clip's table of models gives. SigLIP's pooling
    head, a layer for one token, is left out.
    """
    if card.kind != "dual":
        return None
    config = read_json(card.folder / "config.json")
    class_tokens = _CLASS_TOKEN.get(str(config.get("model_type")))
    if class_tokens is None:
        return None
    vision: dict[str, Any] = _DEFAULTS | config.get("vision_config", {})
    width, hidden = vision["hidden_size"], vision["intermediate_size"]
    patches = (vision["image_size"] // vision["patch_size"]) ** 2
    tokens = patches + class_tokens
    projected = config.get("projection_dim", _DEFAULT_PROJECTION) if class_tokens else 0
    embedding = 2 * patches * vision["num_channels"] * vision["patch_size"] ** 2 * width
    layer = 2 * tokens * (4 * width**2 + 2 * width * hidden) + 4 * tokens**2 * width
    return float(embedding + vision["num_hidden_layers"] * layer + 2 * width * projected)
