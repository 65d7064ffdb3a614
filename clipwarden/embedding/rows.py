"""What a file of vectors says beside them: of each row, of what has none, and of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from prompts.errors import ClipwardenError
from worker.models.card import ModelCard

SCHEMA = "clipwarden.vectors/1"


@dataclass(frozen=True)
class Row:
    """What one vector is of: a picture's file, with its hash and displayed size, or a text.

    `warnings`, each "code: sentence", say what of a picture is not seen as it was meant.
    """

    source: str | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    text: str | None = None
    warnings: tuple[str, ...] = ()

    def to_fields(self) -> dict[str, object]:
        """The fields that are known, for JSON."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}


@dataclass(frozen=True)
class Failure:
    """An input without a vector, and why."""

    source: str
    code: str
    message: str
    cure: str

    @classmethod
    def of(cls, source: str, error: ClipwardenError) -> Failure:
        """The failure that an error is."""
        return cls(source, error.code, error.message, error.cure)

    def to_fields(self) -> dict[str, object]:
        """The fields, for JSON."""
        error = {"code": self.code, "message": self.message, "cure": self.cure}
        return {"source": self.source, "error": error}


def run_facts(card: ModelCard, device: str) -> dict[str, object]:
    """How all vectors of a run were made, for JSON: two runs that differ in none are equal."""
    return {
        "schema": SCHEMA,
        "model": {
            "id": card.id,
            "key": card.key,
            "revision": card.revision,
            "weights_sha256": card.weights_sha256,
        },
        "precision": card.precision,
        "device": device,
        "geometry": card.geometry.name,
        "dimension": card.dimension,
        "dtype": "float32",
    }


class VectorFile(Protocol):
    """A file of vectors that is being written, row by row."""

    def add(self, rows: Sequence[Row], vectors: NDArray[np.float32]) -> None:
        """Append a vector `[n, dimension]` for each row."""

    def fail(self, failure: Failure) -> None:
        """Note an input that has no row."""

    def finish(self) -> None:
        """Write what only the end tells, so that the file is whole."""

    def abandon(self) -> None:
        """Let go of a file that is not finished; nothing more is written, and nothing raised."""
