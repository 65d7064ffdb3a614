"""A fake model whose margins can be computed by hand: a vector is a colour made unit length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ingest.geometry import Geometry
from tests.clips import BLUE, GREEN, RED, Colour
from worker.encoders.protocol import Pixels, Vectors
from worker.models.card import ModelCard, ScoreScale

GREY: Colour = (128, 128, 128)
COLOURS = {"red": RED, "green": GREEN, "blue": BLUE, "grey": GREY}

FAKE_CARD = ModelCard(
    id="fake",
    kind="dual",
    folder=Path("nowhere"),
    revision=None,
    weights_sha256="f" * 64,
    precision="float32",
    geometry=Geometry(crop="squash", size_px=32),
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    dimension=3,
    score_scale=ScoreScale(scale=20.0, bias=0.0),
)


class FakeEncoder:
    """Embeds a picture as its mean colour and a text as the colour it names.

    `batches` and `texts` hold what it was asked for. The first `failures` calls with pictures
    raise, as do all calls with a text that names no colour.
    """

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.batches: list[int] = []
        self.texts: list[tuple[str, ...]] = []

    @property
    def card(self) -> ModelCard:
        """The fake's identity."""
        return FAKE_CARD

    @property
    def device(self) -> str:
        """Where real ones run."""
        return "cpu"

    def embed_images(self, pixels: Pixels) -> Vectors:
        """Return mean colours as unit vectors: uint8 `[n, 32, 32, 3]` to float32 `[n, 3]`."""
        assert pixels.dtype == np.uint8
        assert pixels.shape[1:] == (32, 32, 3)
        self.batches.append(len(pixels))
        if len(self.batches) <= self.failures:
            raise RuntimeError("the device\nfell off the bus")
        return unit(pixels.mean(axis=(1, 2)))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Return named colours as unit vectors, float32 `[n, 3]`."""
        self.texts.append(tuple(texts))
        return unit(np.array([COLOURS[text] for text in texts]))


def unit(colours: Pixels | Vectors) -> Vectors:
    """Make each row unit length."""
    lengths = np.linalg.norm(colours, axis=1, keepdims=True)
    return np.asarray(colours / lengths, np.float32)


def confidence(frame: str, label: str) -> float:
    """What a frame of one named colour must score for the label of another, against grey."""
    colour, wanted, contrast = unit(np.array([COLOURS[frame], COLOURS[label], GREY]))
    margin = float(colour @ wanted - colour @ contrast)
    scale = FAKE_CARD.score_scale
    return float(1 / (1 + np.exp(-scale.scale * (margin - scale.bias))))
