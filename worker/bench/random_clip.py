"""`python -P -m worker.bench.random_clip FOLDER`: a CLIP ViT-B/32 of random weights, for speed.

Nothing has to be downloaded, and how fast a network runs does not depend on its weights. How much
precision costs does: random weights have no outliers, which int8 suffers from in trained ones.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import pre_tokenizers
from transformers import CLIPConfig, CLIPModel

from worker.bench.open_clip_weights import open_clip_weights

OPEN_CLIP_FILE = "open_clip.safetensors"
"""The same weights, named as open_clip names them, for those that are compared with us."""

_SEED = 11
# openai/clip-vit-base-patch32: what its config.json and preprocessor_config.json say.
_SIZE_PX = 224
_PATCH_PX = 32
_TOKENS_MAX = 77
_VOCABULARY = 49408
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


def write_random_clip(folder: Path) -> Path:
    """Write network, processor and tokenizer as transformers saves them; the same every time."""
    folder.mkdir(parents=True, exist_ok=True)
    end = _write_tokenizer(folder)
    text = {"vocab_size": _VOCABULARY, "bos_token_id": end - 1, "eos_token_id": end}
    vision = {"image_size": _SIZE_PX, "patch_size": _PATCH_PX}
    torch.manual_seed(_SEED)
    config: Any = CLIPConfig(text_config=text | {"pad_token_id": end}, vision_config=vision)
    network: Any = CLIPModel(config)
    network.save_pretrained(folder)
    save_file(open_clip_weights(network.state_dict()), folder / OPEN_CLIP_FILE)
    _write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "CLIPImageProcessor",
            "do_resize": True,
            "size": {"shortest_edge": _SIZE_PX},
            "do_center_crop": True,
            "crop_size": {"height": _SIZE_PX, "width": _SIZE_PX},
            "do_normalize": True,
            "image_mean": _MEAN,
            "image_std": _STD,
            "resample": 3,
        },
    )
    return folder


def _write_tokenizer(folder: Path) -> int:
    """Write a byte-pair tokenizer that knows bytes only; returns its last token's number."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    _write_json(folder / "vocab.json", {token: index for index, token in enumerate(tokens)})
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "CLIPTokenizer",
            "unk_token": "<|endoftext|>",
            "bos_token": "<|startoftext|>",
            "eos_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
            "model_max_length": _TOKENS_MAX,
        },
    )
    return len(tokens) - 1


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    write_random_clip(Path(sys.argv[1]))
