"""What is found in each picture: labels, the likeliest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clipwarden.classification.questions import Question
from clipwarden.classification.scoring import Scorer, Vectors
from clipwarden.embedding.rows import Failure, Row


@dataclass(frozen=True)
class Choice:
    """A label of one picture: its confidence in 0..1, the cosine or margin it was made from.

    `found` says whether it reaches its threshold, and is None where one is chosen of all.
    """

    label: str
    confidence: float
    evidence: float
    found: bool | None


@dataclass(frozen=True)
class Answer:
    """A picture with its likeliest labels, and the rank of the right one, if it is known."""

    row: Row
    choices: tuple[Choice, ...]
    truth: str | None = None
    truth_rank: int | None = None


@dataclass
class AnswerFile:
    """Takes pictures' vectors and keeps their answers alone, `top_k` labels of each, 0 for all."""

    question: Question
    scorer: Scorer
    top_k: int
    truth: dict[str, str] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Number the labels."""
        self._place = {label: place for place, label in enumerate(self.question.labels)}

    def add(self, rows: Sequence[Row], vectors: Vectors) -> None:
        """Score a batch of pictures."""
        scores = self.scorer.score(vectors)
        for row, confidences, evidence in zip(
            rows, scores.confidences, scores.evidence, strict=True
        ):
            self.answers.append(self._answer(row, confidences, evidence))

    def fail(self, failure: Failure) -> None:
        """Note a picture that can't be read."""
        self.failures.append(failure)

    def finish(self) -> None:
        """Nothing: answers are rendered afterwards."""

    def abandon(self) -> None:
        """Nothing was written."""

    def _answer(
        self, row: Row, confidences: NDArray[np.float32], evidence: NDArray[np.float32]
    ) -> Answer:
        # By the evidence where confidences are the same, as the ends of their range often are.
        order = np.lexsort((-evidence, -confidences))
        best = order[: self.top_k or None]
        thresholds = self.question.thresholds
        choices = tuple(
            Choice(
                self.question.labels[place],
                float(confidences[place]),
                float(evidence[place]),
                None if thresholds is None else bool(confidences[place] >= thresholds[place]),
            )
            for place in best
        )
        truth = self.truth.get(row.source or "")
        if truth is None:
            return Answer(row, choices)
        rank = int(np.flatnonzero(order == self._place[truth])[0]) + 1
        return Answer(row, choices, truth, rank)
