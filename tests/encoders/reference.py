"""What transformers itself makes of a folder: its own processor, tokenizer and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from packaging.version import Version
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from worker.encoders.protocol import Pixels

_IS_4 = Version(transformers.__version__) < Version("5")


def reference_pixel_values(folder: Path, pixels: Pixels) -> torch.Tensor:
    """Pictures through the PIL image processor that the folder names."""
    options: dict[str, Any] = {"use_fast": False} if _IS_4 else {"backend": "pil"}
    processor_class: Any = AutoImageProcessor
    processor = processor_class.from_pretrained(folder, **options)
    pictures = [Image.fromarray(picture) for picture in pixels]
    values: torch.Tensor = processor(images=pictures, return_tensors="pt")["pixel_values"]
    return values


@torch.inference_mode()
def reference_scores(
    folder: Path, pixels: Pixels, texts: list[str], tokens_max: int, padding: str | bool
) -> NDArray[np.float32]:
    """`logits_per_image` of the whole network, `[pictures, texts]`."""
    network = AutoModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(
        texts, padding=padding, truncation=True, max_length=tokens_max, return_tensors="pt"
    )
    scores = network(pixel_values=reference_pixel_values(folder, pixels), **tokens).logits_per_image
    return np.asarray(scores.numpy(), dtype=np.float32)


def logit_scale_and_bias(folder: Path) -> tuple[float, float]:
    """The factor and summand that turn cosines into the network's scores."""
    network: Any = AutoModel.from_pretrained(folder)
    bias = network.logit_bias.item() if hasattr(network, "logit_bias") else 0.0
    return network.logit_scale.exp().item(), bias
