"""What is asked of pictures: which of some labels, by which texts, and compared with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from clipwarden.classification.errors import InvalidLabels
from clipwarden.classification.scoring import (
    Margins,
    Scorer,
    SetMargins,
    Sigmoid,
    Softmax,
    Vectors,
    alike,
    ensembled,
)
from prompts.compiling import Compared, compile_set
from prompts.label import Label
from prompts.links import Logistic
from prompts.schema import PromptSet, expand
from worker.models.card import ModelCard

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Asked:
    """A question joined with one model: how pictures are scored, and what should be known of it."""

    scorer: Scorer
    warnings: tuple[str, ...] = ()


class Question(Protocol):
    """Labels to choose from."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Their names, in order."""

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """From which confidence on each is found; None where one is chosen of all."""

    def texts(self) -> tuple[str, ...]:
        """What must be embedded."""

    def asked_of(self, card: ModelCard, vectors: Vectors) -> Asked:
        """Join it with the vectors of its texts, `[texts, d]`, in order."""

    def facts(self) -> Mapping[str, object]:
        """How it is put, for JSON."""


@dataclass(frozen=True)
class LabelQuestion:
    """Labels in the user's own words, each put into templates.

    With `is_multi` each is judged by itself: by the model's own bias where it was trained with one,
    else against `contrast`, or against the other labels where there is none.
    """

    labels: tuple[str, ...]
    templates: tuple[str, ...]
    contrast: tuple[str, ...] = ()
    is_multi: bool = False
    threshold: float = DEFAULT_THRESHOLD

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """The same for all."""
        return (self.threshold,) * len(self.labels) if self.is_multi else None

    def texts(self) -> tuple[str, ...]:
        """Every label in every template, then every contrast."""
        words = self.labels + (self.contrast if self.is_multi else ())
        return tuple(text for word in words for text in expand(self.templates, word))

    def asked_of(self, card: ModelCard, vectors: Vectors) -> Asked:
        """Average each label's vectors over the templates; tells labels that come out the same.

        Raises InvalidLabels for a single label that has nothing to be compared with.
        """
        count = len(self.templates)
        rows = ensembled(vectors, len(vectors) // count, count)
        own, contrast = rows[: len(self.labels)], rows[len(self.labels) :]
        pairs = [
            f"the model reads {self.labels[one]!r} and {self.labels[two]!r} as the same text."
            for one, two in alike(own)
        ]
        return Asked(self._scorer(card, own, contrast), tuple(pairs))

    def facts(self) -> Mapping[str, object]:
        """Labels, templates and what they are compared with."""
        facts: dict[str, object] = {"labels": list(self.labels), "templates": list(self.templates)}
        if self.is_multi:
            facts |= {"contrast": list(self.contrast), "threshold": self.threshold}
        return facts

    def _scorer(self, card: ModelCard, own: Vectors, contrast: Vectors) -> Scorer:
        if not self.is_multi:
            return Softmax(own, np.arange(len(own)), card.logit_scale)
        if card.logit_bias is not None and not len(contrast):
            return Sigmoid(own, card.logit_scale, card.logit_bias)
        if len(own) < 2 and not len(contrast):
            raise InvalidLabels(
                f"{self.labels[0]!r} is the only label, and {card.id} judges by comparison alone.",
                "Say what else a picture may show: --contrast 'something else'.",
            )
        return Margins(own, contrast, _link(card))


@dataclass(frozen=True)
class SetQuestion:
    """The labels of a prompt set; one of them by its nearest prompt, or each by its own margin.

    `sha256` is of the whole set, `left_out` are labels of it that can't be chosen.
    """

    prompt_set: PromptSet
    sha256: str
    is_multi: bool = False
    left_out: tuple[str, ...] = ()

    @classmethod
    def of(cls, prompt_set: PromptSet, *, is_multi: bool) -> SetQuestion:
        """Take the labels that texts alone can score; raises InvalidLabels where too few are left.

        A frame classifier's labels are left out, and where one of all is chosen, those of trained
        heads, too: a head's logit and a cosine can't be compared.
        """
        fits = [
            one
            for one in prompt_set.labels
            if one.scored_by == "prompts" or (is_multi and one.scored_by == "head")
        ]
        if len(fits) < (1 if is_multi else 2):
            raise InvalidLabels(
                f"prompt set {prompt_set.name} has {len(fits)} labels that prompts can score.",
                "Choose among the labels of another set, or add --multi to judge each by itself.",
            )
        kept = prompt_set.model_copy(update={"labels": tuple(fits), "rules": (), "examples": ()})
        left_out = tuple(one.id for one in prompt_set.labels if one not in fits)
        return cls(kept, prompt_set.sha256, is_multi, left_out)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels' ids."""
        return tuple(one.id for one in self.prompt_set.labels)

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """Each label's own."""
        if not self.is_multi:
            return None
        return tuple(one.threshold for one in self.prompt_set.labels)

    def texts(self) -> tuple[str, ...]:
        """The set's texts."""
        return self.prompt_set.texts()

    def asked_of(self, card: ModelCard, vectors: Vectors) -> Asked:
        """Compile the set; raises HeadMissing where a head is of other models."""
        texts = dict(zip(self.texts(), vectors, strict=True))
        compiled = compile_set(self.prompt_set, texts, card.key)
        if self.is_multi:
            links = tuple(link_of(card, one) for one in self.prompt_set.labels)
            return Asked(SetMargins(compiled, links, card.score_scale.floor), self._warnings())
        rows = [one.positives for one in compiled.columns if isinstance(one, Compared)]
        starts = np.cumsum([0, *(len(one) for one in rows[:-1])])
        scorer = Softmax(compiled.prompts[np.concatenate(rows)], starts, card.logit_scale)
        return Asked(scorer, self._warnings())

    def facts(self) -> Mapping[str, object]:
        """Which set, and which of its labels."""
        return {
            "labels": list(self.labels),
            "left_out": list(self.left_out),
            "prompt_set": {
                "name": self.prompt_set.name,
                "version": self.prompt_set.version,
                "sha256": self.sha256,
            },
        }

    def _warnings(self) -> tuple[str, ...]:
        if not self.left_out:
            return ()
        names = ", ".join(self.left_out)
        return (f"left out, for texts alone can't score them so: {names}.",)


def link_of(card: ModelCard, label: Label) -> Logistic:
    """How a label's margin becomes a confidence where no calibration says it."""
    return _link(card) if label.scored_by == "prompts" else Logistic(scale=1.0, bias=0.0)


def _link(card: ModelCard) -> Logistic:
    return Logistic(scale=card.score_scale.scale, bias=card.score_scale.bias)
