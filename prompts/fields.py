"""What the models of a prompt set are made of: the frozen base, and the kinds of text they hold."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_Item = TypeVar("_Item")

MAX_TEXT_CHARACTERS = 300
"""Longer than any text encoder here reads (CLIP stops at 77 tokens)."""

MAX_MAGNITUDE = 1e9
"""Far beyond any weight, scale or margin that training gives."""


class FrozenModel(BaseModel):
    """Plain data that can't be changed and has no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


def printable(text: str) -> str:
    """Return the text; raises ValueError for control characters and line breaks."""
    if not text.isprintable():
        raise ValueError("control characters and line breaks are not allowed here")
    return text


def filled(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    """Return the list; raises ValueError where it is empty."""
    # Not min_length: that complains of an empty list too where an item was refused.
    if not items:
        raise ValueError("the list is empty, and needs at least one")
    return items


def moderate(number: float) -> float:
    """Return the number; raises ValueError for one so large that margins would leave float32."""
    if abs(number) > MAX_MAGNITUDE:
        raise ValueError(f"numbers beyond {MAX_MAGNITUDE:g} are never fitted")
    return number


Line = Annotated[
    str, Field(min_length=1, max_length=MAX_TEXT_CHARACTERS), AfterValidator(printable)
]
LabelId = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9]*([_.][a-z][a-z0-9]*)*$", max_length=100),
]
SetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$", max_length=100)]
Threshold = Annotated[float, Field(gt=0, lt=1, strict=True)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ModelKey = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Moderate = Annotated[Finite, AfterValidator(moderate)]
