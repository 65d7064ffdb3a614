"""A prompt set's own examples, by which `clipwarden prompts test` tries it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Self

from pydantic import field_validator, model_validator

from prompts.fields import FrozenModel, LabelId, Line


class Example(FrozenModel):
    """A picture, or a sentence in its place, with labels that it must and must not be given.

    `image` is a path below the set's own file. `labels` are found (a child counts as its parent),
    `absent` are not; an example that names neither must be given no label at all.
    """

    image: Line | None = None
    text: Line | None = None
    labels: tuple[LabelId, ...] = ()
    absent: tuple[LabelId, ...] = ()
    note: Line | None = None

    @field_validator("image")
    @classmethod
    def _stays_below(cls, value: str | None) -> str | None:
        if value is not None:
            below(value)
        return value

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.image is None) == (self.text is None):
            raise ValueError("an example is an image or a text, one of the two")
        both = set(self.labels) & set(self.absent)
        if both:
            raise ValueError(f"{sorted(both)[0]} is to be found and to be absent")
        return self

    @property
    def shown(self) -> str:
        """What it is, for a table."""
        return self.image or f'"{self.text}"'


def below(path: str) -> PurePosixPath:
    """Return a path that leads nowhere else; raises ValueError for any other."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path:
        raise ValueError("the path must lead to a file below the set's own folder")
    return pure
