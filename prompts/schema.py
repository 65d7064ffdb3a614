"""A prompt set: the labels to look for, and the sentences that describe them.

The models are frozen and refuse unknown keys; what they hold is what is hashed and scored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from prompts.errors import InvalidPromptSet
from prompts.examples import Example
from prompts.fields import FrozenModel, Line, SetName, filled, printable
from prompts.label import PLACEHOLDER, Label, Template, set_error
from prompts.rules import Rule

DEFAULT_TEMPLATES = ("a photo of {}",)

MAX_TEXTS = 10_000
"""Texts a set may expand to; templates times prompts grows fast, and each text is embedded."""

MAX_LABELS = 500
MAX_CONTRAST = 2_000
"""Together with `MAX_TEXTS` they keep a hostile file from costing more than a second."""

MAX_RULES = 200
MAX_EXAMPLES = 2_000

_LATER_LABEL_KEYS = (
    "aliases",
    "classifier",
    "heads",
    "min_duration_ms",
    "snap_ms",
    "within_frames",
)
_LATER_SET_KEYS = ("examples", "rules")
# Keys of a later release: left out of the hash where they are not used, which so stays the same.


class PromptSet(FrozenModel):
    """Labels scored together, with the templates and contrast prompts they share.

    `contrast` is what the world holds besides: a frame scores for a label by how much nearer
    it is to one of the label's prompts than to any contrast prompt, so every label needs some,
    here or of its own.
    """

    name: SetName
    version: Line
    description: Annotated[str, Field(min_length=1, max_length=2000)]
    templates: Annotated[tuple[Template, ...], AfterValidator(filled)] = DEFAULT_TEMPLATES
    contrast: Annotated[tuple[Line, ...], Field(max_length=MAX_CONTRAST)] = ()
    labels: Annotated[tuple[Label, ...], Field(max_length=MAX_LABELS), AfterValidator(filled)]
    rules: Annotated[tuple[Rule, ...], Field(max_length=MAX_RULES)] = ()
    examples: Annotated[tuple[Example, ...], Field(max_length=MAX_EXAMPLES)] = ()

    @field_validator("description")
    @classmethod
    def _one_paragraph(cls, value: str) -> str:
        return printable(" ".join(value.split()))

    @model_validator(mode="after")
    def _labels_fit_together(self) -> Self:
        known: set[str] = set()
        for index, label in enumerate(self.labels):
            path = ("labels", index)
            if label.id in known:
                raise set_error(f"another label has the id {label.id} too", (*path, "id"))
            known.add(label.id)
            contrast = set(self.contrast_of(label))
            if label.prompts and not contrast:
                problem = "there is nothing to compare the label with, here or in the set"
                raise set_error(problem, (*path, "contrast"))
            for place, prompt in enumerate(label.prompts):
                if prompt in contrast:
                    problem = "the prompt is a contrast prompt too, so the two cancel out"
                    raise set_error(problem, (*path, "prompts", place))
        if sum(len(templates) for templates, _ in self.templated_prompts()) > MAX_TEXTS:
            problem = f"templates times prompts makes more than {MAX_TEXTS} texts"
            raise set_error(problem, ("templates",))
        self._check_mentions()
        return self

    def _check_mentions(self) -> None:
        """Refuse rules and examples about labels that are not there."""
        known = {label.id for label in self.labels}
        known |= {head for one in known for head in _ancestors(one)}
        seen: set[str] = set()
        for index, rule in enumerate(self.rules):
            if rule.id in seen:
                raise set_error(f"another rule has the id {rule.id} too", ("rules", index, "id"))
            seen.add(rule.id)
            _require_known(rule.labels, known, ("rules", index, "labels"))
        for index, example in enumerate(self.examples):
            _require_known(example.labels, known, ("examples", index, "labels"))
            _require_known(example.absent, known, ("examples", index, "absent"))

    @property
    def sha256(self) -> str:
        """64 hex digits over the content, defaults filled in; comments and layout don't count."""
        content = _without_unused(self.model_dump(mode="json", by_alias=True), _LATER_SET_KEYS)
        content["labels"] = [_without_unused(one, _LATER_LABEL_KEYS) for one in content["labels"]]
        return _hash(content)

    def scoring_sha256(self, label: Label) -> str:
        """64 hex digits over all that a label's margin depends on, besides the model.

        Thresholds and whatever else is done with the margin don't count.
        """
        facts: dict[str, object]
        match label.scored_by:
            case "classifier":
                facts = {"classifier": label.classifier}
            case "head":
                facts = {"heads": [head.sha256 for head in label.heads]}
            case "prompts":
                facts = {
                    "templates": self.templates_of(label),
                    "prompts": sorted(label.prompts),
                    "contrast": sorted(set(self.contrast_of(label))),
                }
        return _hash(facts)

    @property
    def classifiers(self) -> tuple[str, ...]:
        """The frame classifiers that its labels need, sorted."""
        return tuple(sorted({one.classifier for one in self.labels if one.classifier}))

    def without_classifiers(self) -> PromptSet:
        """The same set without the labels that need a frame classifier, and examples of them.

        Rules go on for what is left of their labels. Raises InvalidPromptSet where nothing is left.
        """
        kept = tuple(one for one in self.labels if one.classifier is None)
        if not kept:
            raise InvalidPromptSet(
                f"every label of prompt set {self.name} is scored by a frame classifier.",
                "Leave out --no-classifiers, or take another set.",
            )
        ids = {one.id for one in kept}
        ids |= {head for one in ids for head in _ancestors(one)}
        rules = tuple(_about(one, ids) for one in self.rules if ids.intersection(one.labels))
        examples = tuple(one for one in self.examples if ids.issuperset(one.labels + one.absent))
        return self.model_copy(update={"labels": kept, "rules": rules, "examples": examples})

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
            if label.scored_by != "prompts":
                continue
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


def _hash(content: object) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _without_unused(content: dict[str, Any], later: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if value or key not in later}


def _ancestors(label_id: str) -> list[str]:
    """The ids above it: weapons for weapons.firearm."""
    words = label_id.split(".")
    return [".".join(words[:count]) for count in range(1, len(words))]


def _about(rule: Rule, label_ids: Collection[str]) -> Rule:
    left = tuple(one for one in rule.labels if one in label_ids)
    return rule.model_copy(update={"labels": left})


def _require_known(labels: tuple[str, ...], known: set[str], path: tuple[str | int, ...]) -> None:
    for place, label in enumerate(labels):
        if label not in known:
            raise set_error(f"there is no label {label} in the set", (*path, place))
