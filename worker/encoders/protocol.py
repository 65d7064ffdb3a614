"""What every encoder can do, whatever model and device stand behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worker.models.card import ModelCard

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """Turns pictures and texts into unit vectors of one space."""

    @property
    def card(self) -> ModelCard:
        """The model's identity."""
        ...

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `cuda:0`, `hpu:0`."""
        ...

    def embed_images(self, pixels: Pixels) -> Vectors:
        """Embed one batch: uint8 `[n, size, size, 3]` RGB to float32 `[n, dimension]`, unit length.

        One call is one run of the network; the caller chooses the batch.
        """
        ...

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts to float32 `[n, dimension]`, unit length, in the order given."""
        ...
