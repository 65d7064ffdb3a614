"""The starter: a convex combination of semantic embeddings (ConSE)."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from worker.encoders.efficientnet import EfficientNetLite2
from worker.encoders.sentences import SentenceEncoder
from worker.encoders.towers import Normalisation, Towers
from worker.models.card import ModelCard
from worker.models.starter import CLASSIFIER_SHA256, altered_starter, find_starter_files


def load_starter(card: ModelCard, dtype: torch.dtype, text_device: torch.device) -> Towers:
    """Load both networks; raises ModelError when files are missing, altered or unreadable."""
    files = find_starter_files()
    sentences = SentenceEncoder(files.sentence_encoder, text_device, dtype)
    names = files.class_names.read_text(encoding="utf-8").splitlines()
    # Bare names: measured better than sentences such as "a photo of a NAME" on this side,
    # whether the texts to be found are bare or such sentences.
    with torch.no_grad():
        class_vectors = sentences.embed(names)
    classifier = _load_classifier(files.classifier).to(dtype)
    return Towers(_ImageTower(card, dtype, classifier, class_vectors).eval(), sentences)


class _ImageTower(nn.Module):
    """Places a picture at the mean of its likely classes' names in the space of sentences.

    The classifier's probabilities p(c | picture) weigh the sentence encoder's vectors of the
    class names, softmax at temperature 1 (Norouzi et al. 2013, arXiv 1312.5650). It knows the
    thousand things of ImageNet and nothing of nudity.
    """

    class_vectors: torch.Tensor

    def __init__(
        self,
        card: ModelCard,
        dtype: torch.dtype,
        classifier: nn.Module,
        class_vectors: torch.Tensor,
    ) -> None:
        super().__init__()
        self.normalisation = Normalisation(card, dtype)
        self.classifier = classifier
        self.register_buffer("class_vectors", class_vectors, persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits = self.classifier(self.normalisation(pixels))
        return functional.normalize(logits.float().softmax(dim=1) @ self.class_vectors, dim=1)


def _load_classifier(path: Path) -> EfficientNetLite2:
    """A .pth is a pickle: the bytes are checked before, and read as tensors only."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != CLASSIFIER_SHA256:
        raise altered_starter(path)
    return EfficientNetLite2.from_state(torch.load(BytesIO(content), weights_only=True))
