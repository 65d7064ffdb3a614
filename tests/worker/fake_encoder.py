"""A fake model whose margins can be computed by hand: a vector is a colour made unit length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ingest.geometry import Geometry
from tests.clips import BLUE, GREEN, RED, Colour
from worker.encoders.buckets import plan
from worker.encoders.protocol import BeforeEach, Counts, Pixels, Vectors, nothing
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

    `batches` and `texts` hold what it was asked for. The first `failures` batches of pictures
    raise, as do all calls with a text that names no colour.
    """

    def __init__(self, failures: int = 0, batch_size: int = 10) -> None:
        self.failures = failures
        self.batch_size = batch_size
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

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Any size: nothing needs to be filled up."""
        return tuple(range(1, self.batch_size + 1))

    def embed_images(self, pixels: Pixels, before_each: BeforeEach = nothing) -> Vectors:
        """Return mean colours as unit vectors: uint8 `[n, 32, 32, 3]` to float32 `[n, 3]`."""
        assert pixels.dtype == np.uint8
        assert pixels.shape[1:] == (32, 32, 3)
        for size in plan(len(pixels), self.batch_sizes):
            before_each()
            self.run_batch(size)
        return unit(pixels.mean(axis=(1, 2)))

    def run_batch(self, size: int) -> None:
        """Note that a batch of that size was run, or fail as long as it has to."""
        self.batches.append(size)
        if len(self.batches) <= self.failures:
            raise RuntimeError("the device\nfell off the bus")

    def counts(self) -> Counts:
        """Nothing is compiled."""
        return Counts()

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
