"""Try a prompt set on its own examples, as videos' frames are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipwarden.classification.errors import InvalidLabels
from clipwarden.classification.questions import SetQuestion, link_of
from clipwarden.embedding.images import shown_path
from clipwarden.embedding.rows import Failure
from clipwarden.rescoring.comparing import is_of
from prompts.compiling import Compared, CompiledSet, compile_set
from prompts.examples import Example
from prompts.label import Label
from prompts.schema import PromptSet
from prompts.scoring import margins, nearest
from worker.models.card import ModelCard

Vector = NDArray[np.float32]


class Outcome(StrEnum):
    """How an example went."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One label of an example: whether it should be found, and what was.

    `label` is the id that was asked for, `scored` the likeliest of it and its children, with its
    confidence and threshold. `prompt` came nearest, `contrast` is what it was compared with; both
    are None for a trained head, `contrast` also where the model's own bias decided.
    """

    label: str
    is_expected: bool
    is_found: bool
    scored: str
    margin: float
    confidence: float
    threshold: float
    prompt: str | None
    contrast: str | None

    @property
    def is_passed(self) -> bool:
        """Whether it is as it should be."""
        return self.is_expected == self.is_found


@dataclass(frozen=True)
class Trial:
    """One example with its outcome; `reason` says why there are no checks."""

    example: Example
    place: int
    outcome: Outcome
    checks: tuple[Check, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class Suite:
    """A prompt set, named as the user did, and the folder that its examples lie in."""

    name: str
    folder: Path
    prompt_set: PromptSet

    def picture_of(self, example: Example) -> str | None:
        """The path of an example's picture."""
        return None if example.image is None else str(self.folder / example.image)

    def pictures(self) -> list[str]:
        """Every picture of the examples, in order."""
        found = (self.picture_of(one) for one in self.prompt_set.examples)
        return [path for path in found if path is not None]

    def texts(self) -> list[str]:
        """What must be embedded: the prompts, and the examples that are sentences."""
        own = [one.text for one in self.prompt_set.examples if one.text is not None]
        return [*_scorable(self.prompt_set).texts(), *own]


@dataclass(frozen=True)
class Embedded:
    """Vectors of texts by themselves, of pictures and what went wrong with them by shown path."""

    texts: Mapping[str, Vector]
    pictures: Mapping[str, Vector]
    failures: Mapping[str, Failure]


def run_suite(suite: Suite, card: ModelCard, embedded: Embedded) -> list[Trial]:
    """Try every example of a set; raises HeadMissing where it has no head for the model."""
    scorable = _scorable(suite.prompt_set)
    runner = _Runner(scorable, card, compile_set(scorable, embedded.texts, card.key))
    trials = []
    for place, example in enumerate(suite.prompt_set.examples):
        picture = suite.picture_of(example)
        if picture is None:
            vector = embedded.texts[example.text or ""]
        elif shown_path(picture) in embedded.pictures:
            vector = embedded.pictures[shown_path(picture)]
        else:
            failure = embedded.failures[shown_path(picture)]
            reason = f"{failure.message} {failure.cure}"
            trials.append(Trial(example, place, Outcome.ERROR, reason=reason))
            continue
        trials.append(runner.trial(example, place, vector))
    return trials


def _scorable(prompt_set: PromptSet) -> PromptSet:
    try:
        return SetQuestion.of(prompt_set, is_multi=True).prompt_set
    except InvalidLabels as error:
        raise InvalidLabels(
            f"no label of prompt set {prompt_set.name} is scored by prompts or heads.",
            "Examples can't try a frame classifier.",
        ) from error


@dataclass(frozen=True, eq=False)
class _Runner:
    prompt_set: PromptSet
    card: ModelCard
    compiled: CompiledSet

    def trial(self, example: Example, place: int, vector: Vector) -> Trial:
        unit = (vector / np.linalg.norm(vector))[np.newaxis].astype(np.float32)
        wanted = [(one, True) for one in example.labels] + [(one, False) for one in example.absent]
        if not wanted:
            wanted = [(one.id, False) for one in self.prompt_set.labels]
        unknown = [label for label, _ in wanted if not self._columns(label)]
        if unknown:
            reason = f"{unknown[0]} is scored by a frame classifier, which examples can't try"
            return Trial(example, place, Outcome.SKIPPED, reason=reason)
        checks = tuple(self._check(label, is_expected, unit) for label, is_expected in wanted)
        passed = all(check.is_passed for check in checks)
        return Trial(example, place, Outcome.PASSED if passed else Outcome.FAILED, checks)

    def _columns(self, label_id: str) -> list[int]:
        """A label and its children: a child counts as its parent."""
        return [
            column
            for column, label in enumerate(self.prompt_set.labels)
            if is_of(label.id, label_id)
        ]

    def _check(self, label_id: str, is_expected: bool, unit: Vector) -> Check:
        found = margins(unit, self.compiled, floor=self.card.score_scale.floor)[0]
        best = max(self._columns(label_id), key=lambda column: self._headroom(column, found))
        label = self.prompt_set.labels[best]
        confidence = self._confidence(label, found[best])
        prompt, contrast = self._deciding(best, unit)
        return Check(
            label=label_id,
            is_expected=is_expected,
            is_found=confidence >= label.threshold,
            scored=label.id,
            margin=float(found[best]),
            confidence=confidence,
            threshold=label.threshold,
            prompt=prompt,
            contrast=contrast,
        )

    def _headroom(self, column: int, found: Vector) -> float:
        label = self.prompt_set.labels[column]
        return self._confidence(label, found[column]) - label.threshold

    def _confidence(self, label: Label, margin: np.float32) -> float:
        link = link_of(self.card, label)
        return float(link.confidences(np.array([margin], np.float32))[0])

    def _deciding(self, column: int, unit: Vector) -> tuple[str | None, str | None]:
        if not isinstance(self.compiled.columns[column], Compared):
            return None, None
        rows = nearest(unit, self.compiled, column, self.card.score_scale.floor)
        prompts = [prompt for _, prompt in self.prompt_set.templated_prompts()]
        contrast = int(rows.contrasts[0])
        return prompts[int(rows.positives[0])], None if contrast < 0 else prompts[contrast]


def count(trials: Sequence[Trial], outcome: Outcome) -> int:
    """How many examples went so."""
    return sum(one.outcome is outcome for one in trials)
