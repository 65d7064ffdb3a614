"""The scale and bias a model was trained with, read from its weights; imports no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from worker.errors import UnsupportedModel
from worker.models.weights_header import TensorInfo, read_weights_header

_CLIP_SCALE: Final = 100.0
"""Where CLIP's training ends, for it is bounded there (Radford et al. 2021, section 2.5)."""
_MAX_SCALE: Final = 10_000.0
_MAX_BIAS: Final = 10_000.0
_LENGTH_BYTES: Final = 8


@dataclass(frozen=True)
class Logits:
    """A text's and a picture's logit is `scale * cosine + bias`; no bias stands for a softmax."""

    scale: float = _CLIP_SCALE
    bias: float | None = None


def read_logits(weights: Sequence[Path]) -> Logits:
    """Read `logit_scale` (kept as its logarithm) and `logit_bias`; CLIP's where there are none."""
    # A file that is no sound one is told of where it is loaded, or verified.
    with suppress(UnsupportedModel, OSError):
        found = _scalars(weights)
        scale = math.exp(min(found["logit_scale"], 20.0)) if "logit_scale" in found else _CLIP_SCALE
        bias = found.get("logit_bias")
        if 0 < scale <= _MAX_SCALE and (bias is None or abs(bias) <= _MAX_BIAS):
            return Logits(scale, bias)
    return Logits()


def _scalars(weights: Sequence[Path]) -> dict[str, float]:
    found = {}
    for path in weights:
        for name, tensor in read_weights_header(path).items():
            if name in ("logit_scale", "logit_bias") and math.prod(tensor.shape) == 1:
                found[name] = _read_scalar(path, tensor)
    return found


def _read_scalar(path: Path, tensor: TensorInfo) -> float:
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        file.seek(_LENGTH_BYTES + header_bytes + tensor.begin)
        content = file.read(tensor.end - tensor.begin)
    match tensor.dtype:
        case "F32":
            return float(np.frombuffer(content, "<f4")[0])
        case "F16":
            return float(np.frombuffer(content, "<f2")[0])
        case "F64":
            return float(np.frombuffer(content, "<f8")[0])
        case "BF16":
            # The upper half of a float32.
            return float(np.frombuffer(b"\0\0" + content, "<f4")[0])
        case _:
            raise UnsupportedModel(f"{path} holds a scale of type {tensor.dtype}.", "")
