"""The identity of a model: everything about it that a result depends on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from ingest.geometry import Geometry

Precision = Literal["float32", "bfloat16", "int8"]

_QUANTISATION = 1
"""Counts up when int8 weights come out otherwise: embeddings of both are not to be mixed."""


@dataclass(frozen=True)
class ScoreScale:
    """How a margin becomes a confidence: `sigmoid(scale * (margin - bias))`.

    Both belong to the model: cosines of different models lie in different ranges. A contrast never
    counts for less than `floor`, the cosine at which the model itself is in doubt whether a text
    and a picture belong together; None for models that only compare.
    """

    scale: float
    bias: float
    floor: float | None = None


@dataclass(frozen=True)
class ModelCard:
    """One model, as far as results depend on it; made without importing torch.

    `id` is what the user asked for ("starter", a hub id, a folder's name); `folder` is where
    its files lie on this machine and is left out of the key, for the same weights elsewhere
    are the same model. `mean` and `std` normalise RGB in 0..1, per channel. `calibration_sha256`
    is of the pictures that int8 was made by, None in other precisions. `logit_scale` and
    `logit_bias` are those the model was trained with: a text's and a picture's logit is `scale *
    cosine + bias`, under a softmax where there is no bias (CLIP), else under a sigmoid (SigLIP).
    """

    id: str
    kind: Literal["starter", "dual"]
    folder: Path
    revision: str | None
    weights_sha256: str
    precision: Precision
    geometry: Geometry
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    dimension: int
    score_scale: ScoreScale
    calibration_sha256: str | None = None
    logit_scale: float = 100.0
    logit_bias: float | None = None

    @property
    def key(self) -> str:
        """16 hex digits that differ whenever embeddings could: they name queues and blobs."""
        facts: dict[str, object] = {
            "kind": self.kind,
            "weights_sha256": self.weights_sha256,
            "precision": self.precision,
            "geometry": self.geometry.name,
            "mean": self.mean,
            "std": self.std,
            "dimension": self.dimension,
        }
        if self.precision == "int8":
            facts |= {"quantisation": _QUANTISATION, "calibration": self.calibration_sha256}
        canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Serialise for the way to the embedding process."""
        return json.dumps(
            asdict(self) | {"folder": str(self.folder), "geometry": self.geometry.name}
        )

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Rebuild a card from `to_json`."""
        facts = json.loads(text)
        facts["folder"] = Path(facts["folder"])
        facts["geometry"] = Geometry.parse(facts["geometry"])
        facts["mean"] = tuple(facts["mean"])
        facts["std"] = tuple(facts["std"])
        facts["score_scale"] = ScoreScale(**facts["score_scale"])
        return cls(**facts)
