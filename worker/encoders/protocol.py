"""What every encoder can do, whatever model and device stand behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worker.models.card import ModelCard

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
BeforeEach = Callable[[], None]
"""Called before each run of the network; ends the rest of them by raising."""


def nothing() -> None:
    """Let every batch be run."""


@dataclass(frozen=True)
class Counts:
    """What a running encoder can say of its device.

    `compilations` counts graphs compiled since the start: after the warm-up it must stand still.
    `fallbacks` counts operations that the device left to the CPU. `memory_bytes` is what this
    process takes of the device's memory, None where it has none of its own.
    """

    compilations: int = 0
    fallbacks: int = 0
    memory_bytes: int | None = None


class Encoder(Protocol):
    """Turns pictures and texts into unit vectors of one space."""

    @property
    def card(self) -> ModelCard:
        """The model's identity."""
        ...

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `openvino`, `cuda:0`, `hpu:0`."""
        ...

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """How many pictures a run of the network takes, ascending; a batch is filled up to one."""
        ...

    def embed_images(self, pixels: Pixels, before_each: BeforeEach = nothing) -> Vectors:
        """Embed uint8 `[n, size, size, 3]` RGB to float32 `[n, dimension]`, unit length, in order.

        All batches but the last are of the largest size. Raises ValueError for pixels of another
        type or size, DeviceFailed where the device breaks.
        """
        ...

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts to float32 `[n, dimension]`, unit length, in the order given."""
        ...

    def counts(self) -> Counts:
        """What it has compiled so far, and what it takes of its device."""
        ...
