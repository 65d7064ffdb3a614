"""Whether a model's tensors have the shapes that its config.json speaks of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from worker.models.weights_header import TensorInfo

_Shape = tuple[int | None, ...]

_PATCHES = "vision_model.embeddings.patch_embedding.weight"
_TOKENS = "text_model.embeddings.token_embedding.weight"
_TEXT_PROJECTION = "text_projection.weight"
_IMAGE_PROJECTION = "visual_projection.weight"


def wrong_shapes(
    model_type: str, config: Mapping[str, Any], tensors: Mapping[str, TensorInfo]
) -> Iterator[str]:
    """Yield what is wrong with the ends of both towers: there sizes of the config show.

    What the config leaves to defaults is not compared; all of it is when the model is loaded.
    """
    for name, wanted in _wanted(model_type, config).items():
        found = tensors.get(name)
        if found is None:
            yield f"{name} is missing"
        elif not _fits(found.shape, wanted):
            sizes = " x ".join("any" if size is None else str(size) for size in wanted)
            has = " x ".join(map(str, found.shape)) or "a single number"
            yield f"{name} is {has}, config.json asks for {sizes}"


def _wanted(model_type: str, config: Mapping[str, Any]) -> dict[str, _Shape]:
    image, text = (_section(config, name) for name in ("vision_config", "text_config"))
    width, text_width = _size(image, "hidden_size"), _size(text, "hidden_size")
    patch = _size(image, "patch_size")
    towers: dict[str, _Shape] = {
        _PATCHES: (width, None, patch, patch),
        _TOKENS: (_size(text, "vocab_size"), text_width),
    }
    if model_type == "siglip":
        return towers
    dimension = _size(config, "projection_dim")
    projections: dict[str, _Shape] = {
        _IMAGE_PROJECTION: (dimension, width),
        _TEXT_PROJECTION: (dimension, text_width),
    }
    # The towers of a VisionTextDualEncoder are of any kind, with names of their own.
    return towers | projections if model_type == "clip" else projections


def _fits(found: tuple[int, ...], wanted: _Shape) -> bool:
    return len(found) == len(wanted) and all(
        size in (None, here) for here, size in zip(found, wanted, strict=True)
    )


def _section(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = config.get(name)
    return section if isinstance(section, dict) else {}


def _size(section: Mapping[str, Any], name: str) -> int | None:
    value = section.get(name)
    return value if type(value) is int else None
