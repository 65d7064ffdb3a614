"""Reading the identity of a model from the folder its files lie in; imports no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from worker.errors import UnsupportedModel
from worker.models.card import ModelCard, Precision
from worker.models.file_hashes import FileHashes
from worker.models.logits import read_logits
from worker.models.preprocessing import read_preprocessing
from worker.models.score_scales import score_scale_of

SUPPORTED_TYPES = ("clip", "siglip", "vision-text-dual-encoder")

_SUPPORTED = (
    "Supported are CLIP, SigLIP, SigLIP 2 of fixed resolution, and VisionTextDualEncoder, saved "
    "in the layout of transformers."
)
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
# transformers 5 saves a whole processor's settings as one file, older ones each part's alone.
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
# One of these holds the vocabulary, whatever the kind of tokenizer.
VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model")
TOKENIZER_FILES = (*VOCABULARIES, "merges.txt", "tokenizer_config.json")
# Real ones have some kilobytes; an index of a thousand shards' tensors still fits.
_JSON_BYTES_MAX = 4 * 1024 * 1024
_DIMENSION_MAX = 8192

# What config.json leaves out when it is as transformers' configuration classes have it.
_DEFAULT_IMAGE_PX = 224
_DEFAULT_PROJECTION = 512
_DEFAULT_SIGLIP_HIDDEN = 768


def folder_card(
    folder: Path,
    model_id: str,
    revision: str | None,
    precision: Precision,
    hashes: FileHashes,
) -> ModelCard:
    """Read what a model is from its folder: of the weights their hash, and the logits' scale.

    Raises UnsupportedModel, saying what is wrong and what would do.
    """
    config = read_json(folder / "config.json")
    model_type = _model_type(folder, config)
    preprocessing = read_preprocessing(*_read_preprocessor(folder))
    _check_picture_size(folder, config, preprocessing.geometry.size_px)
    logits = read_logits(find_weights(folder))
    return ModelCard(
        id=model_id,
        kind="dual",
        folder=folder,
        revision=revision,
        weights_sha256=_hash_files(folder, hashes),
        precision=precision,
        geometry=preprocessing.geometry,
        mean=preprocessing.mean,
        std=preprocessing.std,
        dimension=_dimension(folder, model_type, config),
        score_scale=score_scale_of(model_type, _section(config, "vision_config"), logits),
        logit_scale=logits.scale,
        logit_bias=logits.bias,
    )


def holds_model(folder: Path) -> bool:
    """Whether the files that make up a model are all there, whatever is in them."""
    try:
        find_weights(folder)
    except UnsupportedModel:
        return False
    has_preprocessor = any((folder / name).is_file() for name in PREPROCESSORS)
    has_vocabulary = any((folder / name).is_file() for name in VOCABULARIES)
    return (folder / "config.json").is_file() and has_preprocessor and has_vocabulary


def read_model_type(folder: Path) -> str:
    """The kind of network in `folder`, one of SUPPORTED_TYPES; raises UnsupportedModel."""
    return _model_type(folder, read_json(folder / "config.json"))


def find_weights(folder: Path) -> list[Path]:
    """The safetensors files that hold the weights, in order; raises UnsupportedModel without."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / WEIGHTS_INDEX).is_file():
        return _shards(folder)
    if any((folder / name).is_file() for name in PICKLES):
        raise UnsupportedModel(
            f"{folder} holds its weights as a pickle only, which could run any code when opened.",
            "Convert them in a place where that does no harm (from_pretrained, then "
            "save_pretrained, writes model.safetensors), or take a revision that has them.",
        )
    raise UnsupportedModel(f"{folder} holds no {WEIGHTS}.", _SUPPORTED)


def read_json(path: Path, max_bytes: int = _JSON_BYTES_MAX) -> dict[str, Any]:
    """Read one of a model's JSON files, which come from strangers; raises UnsupportedModel."""
    if not path.is_file():
        raise UnsupportedModel(f"{path.parent} holds no {path.name}.", _SUPPORTED)
    size = path.stat().st_size
    if size > max_bytes:
        raise UnsupportedModel(
            f"{path} has {size} bytes, which no real {path.name} has.", "Download the model again."
        )
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UnsupportedModel(
            f"{path} can't be read as JSON: {error}", "Download the model again."
        ) from error
    if not isinstance(content, dict):
        raise UnsupportedModel(f"{path} holds no JSON object.", "Download the model again.")
    return content


def _read_preprocessor(folder: Path) -> tuple[Path, dict[str, Any]]:
    alone, whole = (folder / name for name in PREPROCESSORS)
    if not alone.is_file() and whole.is_file():
        return whole, _section(read_json(whole), "image_processor")
    return alone, read_json(alone)


def _model_type(folder: Path, config: dict[str, Any]) -> str:
    model_type = config.get("model_type")
    if model_type == "siglip2":
        raise UnsupportedModel(
            f"{folder} is a SigLIP 2 of the NaFlex kind, which takes pictures of any shape.",
            "Take one of fixed resolution, such as google/siglip2-base-patch16-224.",
        )
    if model_type not in SUPPORTED_TYPES:
        raise UnsupportedModel(
            f"{folder} is of type {str(model_type)[:60]!r}, which is no dual encoder we run.",
            _SUPPORTED,
        )
    return str(model_type)


def _shards(folder: Path) -> list[Path]:
    weight_map = _section(read_json(folder / WEIGHTS_INDEX), "weight_map")
    names = sorted({str(name) for name in weight_map.values()})
    if not names:
        raise UnsupportedModel(f"{folder / WEIGHTS_INDEX} names no files.", _SUPPORTED)
    for name in names:
        # The index is a stranger's: it must not point anywhere else, or at another format.
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise UnsupportedModel(
                f"{folder / WEIGHTS_INDEX} names {name[:100]!r}, no safetensors file beside it.",
                "Download the model again.",
            )
        if not (folder / name).is_file():
            raise UnsupportedModel(f"{folder} lacks {name[:100]!r}.", "Download the model again.")
    return [folder / name for name in names]


def _hash_files(folder: Path, hashes: FileHashes) -> str:
    """Hash everything that decides a vector: weights, network settings and tokenizer.

    The same weights under another config.json (its activation function, say) give other vectors.
    """
    if not any((folder / name).is_file() for name in VOCABULARIES):
        raise UnsupportedModel(
            f"{folder} holds no tokenizer ({', '.join(VOCABULARIES)}).",
            "Save the processor beside the model: processor.save_pretrained(folder).",
        )
    files = [*find_weights(folder), folder / "config.json"]
    files += [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]
    try:
        lines = [f"{hashes.sha256(path)}  {path.name}\n" for path in files]
    except OSError as error:
        raise UnsupportedModel(
            f"{error.filename} can't be read: {error.strerror}.", "Check the file's permissions."
        ) from error
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _dimension(folder: Path, model_type: str, config: dict[str, Any]) -> int:
    if model_type == "siglip":
        found = _section(config, "vision_config").get("hidden_size", _DEFAULT_SIGLIP_HIDDEN)
    else:
        found = config.get("projection_dim", _DEFAULT_PROJECTION)
    if type(found) is not int or not 1 <= found <= _DIMENSION_MAX:
        raise UnsupportedModel(
            f"{folder / 'config.json'} gives {found!r:.60} as the length of a vector.",
            "Download the model again.",
        )
    return found


def _check_picture_size(folder: Path, config: dict[str, Any], size_px: int) -> None:
    trained_px = _section(config, "vision_config").get("image_size", _DEFAULT_IMAGE_PX)
    if trained_px != size_px:
        raise UnsupportedModel(
            f"In {folder} config.json says pictures of {trained_px!r:.60} px, "
            f"preprocessor_config.json {size_px}.",
            "Make the two agree, or download the model again.",
        )


def _section(config: dict[str, Any], name: str) -> dict[str, Any]:
    section = config.get(name, {})
    return section if isinstance(section, dict) else {}
