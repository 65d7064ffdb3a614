"""A label: one thing to look for, what it is scored by, and when it counts as found."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from prompts.actions import Action
from prompts.fields import FrozenModel, LabelId, Line, Threshold, filled
from prompts.heads import Head

PLACEHOLDER = "{}"

EXIT_FRACTION = 0.6
"""A label's exit threshold as a share of its threshold, where the set gives none.

Pans and compression move a scene's confidence by some tens of percent between frames, so a
segment that has begun ends only well below the level at which it began.
"""

DEFAULT_MAX_GAP_MS = 1500
"""Frames below the exit threshold are bridged for this long: two samples at 2 fps, with room."""

ClassifierName = Literal["open_nsfw"]
ScoredBy = Literal["prompts", "head", "classifier"]


def _template(text: str) -> str:
    if text.count(PLACEHOLDER) != 1:
        raise ValueError("a template has {} exactly once, where the prompt goes")
    return text


Template = Annotated[Line, AfterValidator(_template)]


class Label(FrozenModel):
    """One thing to look for, and when a run of frames counts as having found it.

    `id` is made of lower-case words; dots make children (`weapons.firearm`). It is scored by one of
    three: `prompts`, compared with the set's contrast prompts and with its own `contrast`, things
    this label alone is mistaken for (`templates` take the place of the set's); `heads`, each
    trained for one model; or a frame `classifier` that looks at the pictures beside the model.
    `aliases` are what others call it.

    A segment begins at a confidence of `threshold`, goes on down to `exit_threshold` (by default
    `EXIT_FRACTION` of the threshold), bridges up to `max_gap_ms` below that, and counts once it has
    `min_frames` frames, or all frames that there are: of the video, be it a still image, or of a
    shot where the sampling takes so many of each. With `within_frames`, that many neighbouring
    frames must hold `min_frames` that reach the threshold itself, and it begins there. It must last
    `min_duration_ms`, or as long as the video or its shot; its borders move to a cut within
    `snap_ms`.
    """

    id: LabelId
    title: Line | None = None
    aliases: tuple[Line, ...] = ()
    prompts: tuple[Line, ...] = ()
    templates: Annotated[tuple[Template, ...], AfterValidator(filled)] | None = None
    contrast: tuple[Line, ...] = ()
    heads: tuple[Head, ...] = ()
    classifier: ClassifierName | None = None
    threshold: Threshold = 0.5
    exit_threshold: Threshold = Field(default=None, validate_default=True)
    min_frames: Annotated[int, Field(ge=1, strict=True)] = 2
    within_frames: Annotated[int, Field(ge=1, strict=True)] | None = None
    min_duration_ms: Annotated[int, Field(ge=0, strict=True)] = 0
    max_gap_ms: Annotated[int, Field(ge=0, strict=True)] = DEFAULT_MAX_GAP_MS
    snap_ms: Annotated[int, Field(ge=0, strict=True)] = 0
    nsfw: StrictBool = False
    action: Action = Action.REVIEW

    @field_validator("exit_threshold", mode="before")
    @classmethod
    def _fraction_unless_given(cls, value: object, info: ValidationInfo) -> object:
        # Where the threshold itself is wrong it is not in `data`, and is reported by itself.
        return EXIT_FRACTION * info.data.get("threshold", 0.5) if value is None else value

    @field_validator("exit_threshold")
    @classmethod
    def _not_above_threshold(cls, value: float, info: ValidationInfo) -> float:
        if value > info.data.get("threshold", 1.0):
            raise ValueError("a segment can't end at a higher confidence than it begins at")
        return value

    @field_validator("within_frames")
    @classmethod
    def _room_for_min_frames(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value < info.data.get("min_frames", 1):
            raise ValueError("that few frames can't hold min_frames of them")
        return value

    @model_validator(mode="after")
    def _scored_by_one(self) -> Self:
        ways = [bool(self.prompts), bool(self.heads), self.classifier is not None]
        if not any(ways):
            problem = "a label needs prompts, heads or a classifier to be scored by"
            raise set_error(problem, ("prompts",))
        if sum(ways) > 1:
            problem = "prompts, heads and classifier can't be mixed in one label; make two of it"
            raise set_error(problem, ("classifier" if self.classifier else "heads",))
        keys = [head.model_key for head in self.heads]
        if len(set(keys)) < len(keys):
            raise set_error("two of the heads are for the same model", ("heads",))
        return self

    @property
    def scored_by(self) -> ScoredBy:
        """What its margin comes from."""
        if self.classifier is not None:
            return "classifier"
        return "head" if self.heads else "prompts"

    def head_for(self, model_key: str) -> Head | None:
        """The head that was trained for a model, if there is one."""
        return next((head for head in self.heads if head.model_key == model_key), None)

    @property
    def parent(self) -> str | None:
        """The id up to its last dot: `weapons` for `weapons.firearm`, None for `weapons`."""
        head, dot, _ = self.id.rpartition(".")
        return head if dot else None


def set_error(problem: str, path: tuple[str | int, ...]) -> PydanticCustomError:
    """Make an error of the whole model that still tells which key it is about."""
    return PydanticCustomError("prompt_set", "{problem}", {"problem": problem, "path": path})
