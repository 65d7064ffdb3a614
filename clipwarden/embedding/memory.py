"""Vectors that are not written but kept, for what looks at a few hundred of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clipwarden.embedding.rows import Failure, Row


@dataclass
class VectorsInMemory:
    """A file of vectors that is none: each picture's, and each failure, by its source."""

    vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)

    def add(self, rows: Sequence[Row], vectors: NDArray[np.float32]) -> None:
        """Keep a batch."""
        for row, vector in zip(rows, vectors, strict=True):
            if row.source is not None:
                self.vectors[row.source] = vector

    def fail(self, failure: Failure) -> None:
        """Keep a failure."""
        self.failures[failure.source] = failure

    def finish(self) -> None:
        """Nothing: all is there."""

    def abandon(self) -> None:
        """Nothing was written."""
