"""The weights of a CLIP of transformers under the names that open_clip gives them."""

from __future__ import annotations

from collections.abc import Mapping

import torch

Weights = dict[str, torch.Tensor]

_LAYER = (
    ("layer_norm1", "ln_1"),
    ("layer_norm2", "ln_2"),
    ("self_attn.out_proj", "attn.out_proj"),
    ("mlp.fc1", "mlp.c_fc"),
    ("mlp.fc2", "mlp.c_proj"),
)


def open_clip_weights(state: Mapping[str, torch.Tensor]) -> Weights:
    """Return contiguous tensors for `open_clip.create_model("ViT-...-quickgelu")`.

    open_clip keeps queries, keys and values in one matrix, and projections the other way round.
    """
    seen, read = "vision_model", "text_model"
    weights: Weights = {
        "visual.class_embedding": state[f"{seen}.embeddings.class_embedding"],
        "visual.conv1.weight": state[f"{seen}.embeddings.patch_embedding.weight"],
        "visual.positional_embedding": state[f"{seen}.embeddings.position_embedding.weight"],
        "visual.proj": state["visual_projection.weight"].T,
        "token_embedding.weight": state[f"{read}.embeddings.token_embedding.weight"],
        "positional_embedding": state[f"{read}.embeddings.position_embedding.weight"],
        "text_projection": state["text_projection.weight"].T,
        "logit_scale": state["logit_scale"],
    }
    for theirs, ours in (
        ("visual.ln_pre", f"{seen}.pre_layrnorm"),
        ("visual.ln_post", f"{seen}.post_layernorm"),
        ("ln_final", f"{read}.final_layer_norm"),
    ):
        weights |= _both(state, ours, theirs)
    weights |= _layers(state, seen, "visual.transformer")
    weights |= _layers(state, read, "transformer")
    return {name: tensor.detach().clone().contiguous() for name, tensor in weights.items()}


def _layers(state: Mapping[str, torch.Tensor], tower: str, theirs: str) -> Weights:
    weights: Weights = {}
    number = 0
    while f"{tower}.encoder.layers.{number}.layer_norm1.weight" in state:
        ours, block = f"{tower}.encoder.layers.{number}", f"{theirs}.resblocks.{number}"
        for kind in ("weight", "bias"):
            parts = [state[f"{ours}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
            weights[f"{block}.attn.in_proj_{kind}"] = torch.cat(parts)
        for our_part, their_part in _LAYER:
            weights |= _both(state, f"{ours}.{our_part}", f"{block}.{their_part}")
        number += 1
    return weights


def _both(state: Mapping[str, torch.Tensor], ours: str, theirs: str) -> Weights:
    return {f"{theirs}.{kind}": state[f"{ours}.{kind}"] for kind in ("weight", "bias")}
