"""What every frame classifier can do, whatever network stands behind it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worker.encoders.protocol import BeforeEach, Pixels, nothing

Scores = NDArray[np.float32]


class FrameClassifier(Protocol):
    """Gives pictures a probability each."""

    @property
    def name(self) -> str:
        """What prompt sets call it, such as `open_nsfw`."""
        ...

    @property
    def key(self) -> str:
        """16 hex digits that name the weights and how pictures are prepared for them."""
        ...

    def score(self, pixels: Pixels, before_each: BeforeEach = nothing) -> Scores:
        """Score uint8 `[n, size, size, 3]` RGB to float32 `[n]`, in 0..1, in order.

        Squares of any size, and any number of them: a picture's score does not depend on its
        neighbours. `before_each` is called before each run of the network. Raises ValueError for
        pixels of another type or shape.
        """
        ...
