"""A trained linear head: a logistic regression over the frozen vectors of one model."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field

from prompts.fields import Finite, FrozenModel, LabelId, Line, ModelKey, Moderate

HEAD_SCHEMA: Literal["clipwarden.head/1"] = "clipwarden.head/1"

MAX_DIMENSION = 8_192


class TrainedOn(FrozenModel):
    """How many pictures of each kind it saw, and where they came from."""

    positives: Annotated[int, Field(ge=1)]
    negatives: Annotated[int, Field(ge=1)]
    source: Line


class Head(FrozenModel):
    """One label's direction in the space of one model: its margin is `weights @ vector + bias`.

    `measured` holds what cross-validation gave, by name; it is for people, and changes nothing.
    """

    head_schema: Literal["clipwarden.head/1"] = Field(default=HEAD_SCHEMA, alias="schema")
    label: LabelId
    model_key: ModelKey
    model_id: Line
    weights: Annotated[tuple[Moderate, ...], Field(min_length=1, max_length=MAX_DIMENSION)]
    bias: Moderate
    trained_on: TrainedOn
    created_at: Line
    measured: dict[str, Finite] = Field(default_factory=dict)

    model_config = FrozenModel.model_config | {"populate_by_name": True}

    @property
    def sha256(self) -> str:
        """64 hex digits over what its margins depend on."""
        facts = [self.model_key, self.weights, self.bias]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def to_json(self) -> str:
        """The head as a file's text."""
        return self.model_dump_json(by_alias=True, indent=1)
