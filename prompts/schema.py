"""A prompt set: the labels to look for, and the sentences that describe them.

The models are frozen and refuse unknown keys; what they hold is what is hashed and scored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from prompts.actions import Action

PLACEHOLDER = "{}"

DEFAULT_TEMPLATES = ("a photo of {}",)

EXIT_FRACTION = 0.6
"""A label's exit threshold as a share of its threshold, where the set gives none.

Pans and compression move a scene's confidence by some tens of percent between frames, so a
segment that has begun ends only well below the level at which it began.
"""

DEFAULT_MAX_GAP_MS = 1500
"""Frames below the exit threshold are bridged for this long: two samples at 2 fps, with room."""

MAX_TEXTS = 10_000
"""Texts a set may expand to; templates times prompts grows fast, and each text is embedded."""

MAX_LABELS = 500
MAX_CONTRAST = 2_000
"""Together with `MAX_TEXTS` they keep a hostile file from costing more than a second."""

MAX_TEXT_CHARACTERS = 300
"""Longer than any text encoder here reads (CLIP stops at 77 tokens)."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters and line breaks are not allowed here")
    return text


def _template(text: str) -> str:
    if text.count(PLACEHOLDER) != 1:
        raise ValueError("a template has {} exactly once, where the prompt goes")
    return text


def _filled(items: tuple[object, ...]) -> tuple[object, ...]:
    # Not min_length: that complains of an empty list too where an item was refused.
    if not items:
        raise ValueError("the list is empty, and needs at least one")
    return items


Line = Annotated[
    str, Field(min_length=1, max_length=MAX_TEXT_CHARACTERS), AfterValidator(_printable)
]
Template = Annotated[Line, AfterValidator(_template)]
LabelId = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9]*([_.][a-z][a-z0-9]*)*$", max_length=100),
]
Threshold = Annotated[float, Field(gt=0, lt=1, strict=True)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Label(_Model):
    """One thing to look for, and when a run of frames counts as having found it.

    `id` is made of lower-case words; dots make children (`weapons.firearm`). `templates` take
    the place of the set's. `contrast` are things this label alone is mistaken for. A segment
    begins at a confidence of `threshold`, goes on down to `exit_threshold` (by default
    `EXIT_FRACTION` of the threshold), bridges up to `max_gap_ms` below that, and counts once
    it has `min_frames` frames, or all frames that there are: of the video, be it a still image, or
    of a shot where the sampling takes so many of each.
    """

    id: LabelId
    title: Line | None = None
    prompts: Annotated[tuple[Line, ...], AfterValidator(_filled)]
    templates: Annotated[tuple[Template, ...], AfterValidator(_filled)] | None = None
    contrast: tuple[Line, ...] = ()
    threshold: Threshold = 0.5
    exit_threshold: Threshold = Field(default=None, validate_default=True)
    min_frames: Annotated[int, Field(ge=1, strict=True)] = 2
    max_gap_ms: Annotated[int, Field(ge=0, strict=True)] = DEFAULT_MAX_GAP_MS
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

    @property
    def parent(self) -> str | None:
        """The id up to its last dot: `weapons` for `weapons.firearm`, None for `weapons`."""
        head, dot, _ = self.id.rpartition(".")
        return head if dot else None


class PromptSet(_Model):
    """Labels scored together, with the templates and contrast prompts they share.

    `contrast` is what the world holds besides: a frame scores for a label by how much nearer
    it is to one of the label's prompts than to any contrast prompt, so every label needs some,
    here or of its own.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$", max_length=100)]
    version: Line
    description: Annotated[str, Field(min_length=1, max_length=2000)]
    templates: Annotated[tuple[Template, ...], AfterValidator(_filled)] = DEFAULT_TEMPLATES
    contrast: Annotated[tuple[Line, ...], Field(max_length=MAX_CONTRAST)] = ()
    labels: Annotated[tuple[Label, ...], Field(max_length=MAX_LABELS), AfterValidator(_filled)]

    @field_validator("description")
    @classmethod
    def _one_paragraph(cls, value: str) -> str:
        return _printable(" ".join(value.split()))

    @model_validator(mode="after")
    def _labels_fit_together(self) -> Self:
        known: set[str] = set()
        for index, label in enumerate(self.labels):
            path = ("labels", index)
            if label.id in known:
                raise _set_error(f"another label has the id {label.id} too", (*path, "id"))
            known.add(label.id)
            contrast = set(self.contrast_of(label))
            if not contrast:
                problem = "there is nothing to compare the label with, here or in the set"
                raise _set_error(problem, (*path, "contrast"))
            for place, prompt in enumerate(label.prompts):
                if prompt in contrast:
                    problem = "the prompt is a contrast prompt too, so the two cancel out"
                    raise _set_error(problem, (*path, "prompts", place))
        if sum(len(templates) for templates, _ in self.templated_prompts()) > MAX_TEXTS:
            problem = f"templates times prompts makes more than {MAX_TEXTS} texts"
            raise _set_error(problem, ("templates",))
        return self

    @property
    def sha256(self) -> str:
        """64 hex digits over the content, defaults filled in; comments and layout don't count."""
        content = self.model_dump(mode="json")
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def label(self, label_id: str) -> Label:
        """Return the label of that id; raises KeyError where the set has none."""
        for label in self.labels:
            if label.id == label_id:
                return label
        raise KeyError(f"prompt set {self.name} has no label {label_id!r}")

    def templates_of(self, label: Label) -> tuple[str, ...]:
        """Return the label's own templates, or the set's."""
        return label.templates or self.templates

    def contrast_of(self, label: Label) -> tuple[str, ...]:
        """Return all the label is compared with: the shared contrast prompts, then its own.

        Other labels' prompts are left out on purpose: two labels can be true of one frame, and
        a label's scores must not move because another was added.
        """
        return self.contrast + label.contrast

    def templated_prompts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield every distinct (templates, prompt) that scoring needs, in the set's order.

        A label's contrast prompts go through the label's own templates, so that both sides of
        its margin are worded alike.
        """
        seen = set()
        for label in self.labels:
            templates = self.templates_of(label)
            for prompt in label.prompts + self.contrast_of(label):
                if (templates, prompt) not in seen:
                    seen.add((templates, prompt))
                    yield templates, prompt

    def texts(self) -> tuple[str, ...]:
        """Return every distinct text that must be embedded to score this set, in stable order."""
        texts: dict[str, None] = {}
        for templates, prompt in self.templated_prompts():
            texts.update(dict.fromkeys(expand(templates, prompt)))
        return tuple(texts)


def expand(templates: tuple[str, ...], prompt: str) -> tuple[str, ...]:
    """Return the prompt put into each template."""
    # Not str.format: templates come from files, and format fields reach into attributes.
    return tuple(template.replace(PLACEHOLDER, prompt) for template in templates)


def _set_error(problem: str, path: tuple[str | int, ...]) -> PydanticCustomError:
    """Make an error of the whole set that still tells which key it is about."""
    return PydanticCustomError("prompt_set", "{problem}", {"problem": problem, "path": path})
