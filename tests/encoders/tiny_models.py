"""Dual encoders of a few thousand random weights, saved as transformers saves the real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    CLIPConfig,
    CLIPModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
    ViTConfig,
)

from worker.encoders.protocol import Pixels

SIZE_PX = 32
DIMENSION = 16
TEXTS = (
    "a photo of a dog",
    "two cats on a red sofa",
    "",
    "a street at night in the rain, seen from a window " * 12,
    "Ein Hund läuft über die Straße 🐕",
)

# transformers leaves its tokenizers' constructors untyped.
_FastTokenizer: Any = PreTrainedTokenizerFast
_TOWER: dict[str, Any] = {
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
}
_VISION = _TOWER | {"image_size": SIZE_PX, "patch_size": 8}
_CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
_CLIP_STD = [0.26862954, 0.26130258, 0.27577711]


def pictures(count: int, size_px: int = SIZE_PX) -> Pixels:
    """Random pictures, smooth enough to differ in more than noise."""
    random = np.random.default_rng(7)
    coarse = random.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    fine = random.integers(0, 32, (count, size_px, size_px, 3), dtype=np.uint8)
    large = coarse.repeat(-(-size_px // 4), axis=1).repeat(-(-size_px // 4), axis=2)
    return np.asarray(large[:, :size_px, :size_px] // 8 * 7 + fine, dtype=np.uint8)


def clip_folder(folder: Path) -> Path:
    """A CLIP with byte-pair encoding and a centre crop."""
    folder.mkdir(parents=True)
    vocabulary = _clip_vocabulary(folder)
    end = vocabulary["<|endoftext|>"]
    text = _TOWER | {
        "vocab_size": len(vocabulary),
        "max_position_embeddings": 40,
        "bos_token_id": end - 1,
        "eos_token_id": end,
        "pad_token_id": end,
    }
    config = CLIPConfig(text_config=text, vision_config=_VISION, projection_dim=DIMENSION)
    _save(folder, CLIPModel, config)
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "CLIPImageProcessor",
            "do_resize": True,
            "size": {"shortest_edge": SIZE_PX},
            "do_center_crop": True,
            "crop_size": {"height": SIZE_PX, "width": SIZE_PX},
            "do_normalize": True,
            "image_mean": _CLIP_MEAN,
            "image_std": _CLIP_STD,
            "resample": 3,
        },
    )
    return folder


def siglip_folder(folder: Path) -> Path:
    """A SigLIP whose texts are padded to their full length."""
    text = _TOWER | {
        "vocab_size": 64,
        "max_position_embeddings": 20,
        "projection_size": 24,
        "bos_token_id": None,
        "eos_token_id": 1,
    }
    config = SiglipConfig(text_config=text, vision_config=_VISION)
    _save(folder, SiglipModel, config)
    tokenizer = _word_tokenizer(["[PAD]", "[UNK]"])
    _FastTokenizer(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        model_max_length=20,
        model_input_names=["input_ids"],
    ).save_pretrained(folder)
    _write_squashing_preprocessor(folder, "SiglipImageProcessor")
    return folder


def vision_text_folder(folder: Path) -> Path:
    """A ViT and a BERT joined by projections, as one trains from captioned pictures."""
    config = VisionTextDualEncoderConfig.from_vision_text_configs(
        ViTConfig(**_VISION),
        BertConfig(**_TOWER, vocab_size=64, max_position_embeddings=30),
        projection_dim=DIMENSION,
    )
    _save(folder, VisionTextDualEncoderModel, config)
    tokenizer = _word_tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    _FastTokenizer(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(folder)
    _write_squashing_preprocessor(folder, "ViTImageProcessor")
    return folder


def write_json(path: Path, content: object) -> None:
    """Write one of a model's settings files."""
    path.write_text(json.dumps(content), encoding="utf-8")


def edit_json(path: Path, **changes: object) -> None:
    """Change some settings of a file and leave the others."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, content | changes)


def _save(folder: Path, network_class: Any, config: Any) -> None:
    torch.manual_seed(11)
    network = network_class(config)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            # Larger than a fresh network's, or all pictures would end up at one place.
            if parameter.ndim > 1:
                parameter.copy_(torch.randn_like(parameter) * 0.3)
            elif name == "logit_bias":
                parameter.fill_(-3.0)
    network.save_pretrained(folder, safe_serialization=True)


def _write_squashing_preprocessor(folder: Path, processor: str) -> None:
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": processor,
            "do_resize": True,
            "size": {"height": SIZE_PX, "width": SIZE_PX},
            "do_normalize": True,
            "do_rescale": True,
            "rescale_factor": 0.00392156862745098,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "resample": 3,
        },
    )


def _word_tokenizer(special: list[str]) -> Tokenizer:
    words = ["a", "photo", "of", "dog", "two", "cats", "on", "red", "sofa", "street", "night"]
    vocabulary = {token: index for index, token in enumerate([*special, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def _clip_vocabulary(folder: Path) -> dict[str, int]:
    """Byte-pair files as CLIP has them: every byte, alone and at a word's end, and some merges."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = ["p h", "o t", "ph ot", "phot o</w>", "d o", "do g</w>", "o f</w>"]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += [merge.replace(" ", "") for merge in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text(
        "\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8"
    )
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "CLIPTokenizer",
            "unk_token": "<|endoftext|>",
            "bos_token": "<|startoftext|>",
            "eos_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
            "model_max_length": 40,
        },
    )
    return vocabulary
