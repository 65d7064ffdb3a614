"""The starter: a convex combination of semantic embeddings (ConSE)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from worker.encoders.efficientnet import EfficientNetLite2
from worker.encoders.pixels import normalise
from worker.encoders.pretrained import dtype_of
from worker.encoders.protocol import Pixels, Vectors
from worker.encoders.sentences import SentenceEncoder
from worker.models.card import ModelCard
from worker.models.starter import CLASSIFIER_SHA256, altered_starter, find_starter_files


class StarterEncoder:
    """Places a picture at the mean of its likely classes' names in the space of sentences.

    The classifier's probabilities p(c | picture) weigh the sentence encoder's vectors of the
    class names, softmax at temperature 1 (Norouzi et al. 2013, arXiv 1312.5650). It knows the
    thousand things of ImageNet and nothing of nudity.
    """

    def __init__(self, card: ModelCard, device: torch.device) -> None:
        """Load both networks; raises ModelError when files are missing, altered or unreadable."""
        files = find_starter_files()
        dtype = dtype_of(card.precision)
        self._card = card
        self._device = device
        self._sentences = SentenceEncoder(files.sentence_encoder, device, dtype)
        self._classifier = _load_classifier(files.classifier).to(device, dtype)
        names = files.class_names.read_text(encoding="utf-8").splitlines()
        # Bare names: measured better than sentences such as "a photo of a NAME" on this side,
        # whether the texts to be found are bare or such sentences.
        self._class_vectors = self._sentences.embed(names)

    @property
    def card(self) -> ModelCard:
        """The model's identity."""
        return self._card

    @property
    def device(self) -> str:
        """Where it runs."""
        return str(self._device)

    @torch.inference_mode()
    def embed_images(self, pixels: Pixels) -> Vectors:
        """Embed one batch: uint8 `[n, 260, 260, 3]` RGB to float32 `[n, 384]`, unit length."""
        pictures = normalise(pixels, self._card, like=self._classifier.fc.weight)
        probabilities = self._classifier(pictures).float().softmax(dim=1)
        vectors = functional.normalize(probabilities @ self._class_vectors, dim=1)
        return np.asarray(vectors.cpu().numpy(), dtype=np.float32)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts to float32 `[n, 384]`, unit length, in the order given."""
        return np.asarray(self._sentences.embed(texts).cpu().numpy(), dtype=np.float32)


def _load_classifier(path: Path) -> EfficientNetLite2:
    """A .pth is a pickle: the bytes are checked before, and read as tensors only."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != CLASSIFIER_SHA256:
        raise altered_starter(path)
    return EfficientNetLite2.from_state(torch.load(BytesIO(content), weights_only=True))
