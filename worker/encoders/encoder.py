"""An encoder: a model's towers, the image tower on a runtime, batches of static sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from worker.encoders.buckets import filled_up, plan
from worker.encoders.protocol import BeforeEach, Counts, Pixels, Vectors, nothing
from worker.encoders.runtimes.protocol import ImageRuntime
from worker.encoders.towers import TextTower
from worker.models.card import ModelCard


class TowerEncoder:
    """Any model on any runtime."""

    def __init__(
        self,
        card: ModelCard,
        runtime: ImageRuntime,
        texts: TextTower,
        batch_sizes: tuple[int, ...],
    ) -> None:
        self._card = card
        self._runtime = runtime
        self._texts = texts
        self._batch_sizes = batch_sizes

    @property
    def card(self) -> ModelCard:
        """The model's identity."""
        return self._card

    @property
    def device(self) -> str:
        """Where it runs."""
        return self._runtime.device

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """How many pictures a run takes, ascending."""
        return self._batch_sizes

    def embed_images(self, pixels: Pixels, before_each: BeforeEach = nothing) -> Vectors:
        """Embed uint8 `[n, size, size, 3]` to float32 `[n, dimension]`, unit length, in order."""
        self._check(pixels)
        if not len(pixels):
            return np.empty((0, self._card.dimension), np.float32)
        started, first = [], 0
        for size in plan(len(pixels), self._batch_sizes):
            before_each()
            started.append(self._runtime.start(filled_up(pixels[first : first + size], size)))
            first += size
        return self._runtime.collect(started)[: len(pixels)]

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts to float32 `[n, dimension]`, unit length, in the order given.

        Without inference mode, which Gaudi's documentation calls unsupported.
        """
        if not texts:
            return np.empty((0, self._card.dimension), np.float32)
        with self._runtime.failures():
            return np.asarray(self._texts.embed(texts).numpy(), dtype=np.float32)

    def counts(self) -> Counts:
        """What it has compiled so far, and what it takes of its device."""
        return self._runtime.counts()

    def _check(self, pixels: Pixels) -> None:
        size_px = self._card.geometry.size_px
        if pixels.dtype.name != "uint8" or pixels.shape[1:] != (size_px, size_px, 3):
            raise ValueError(
                f"{self._card.id} takes uint8 [n, {size_px}, {size_px}, 3], "
                f"not {pixels.dtype.name} {list(pixels.shape)}"
            )
