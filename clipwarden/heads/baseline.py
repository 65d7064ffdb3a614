"""What prompts alone make of the examples: a head that is no better is not worth its file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipwarden.heads.measuring import Measured, measure
from clipwarden.heads.training import Examples
from prompts.compiling import compile_set
from prompts.schema import PromptSet
from prompts.scoring import margins
from worker.models.card import ModelCard
from worker.scored import link_of


@dataclass(frozen=True)
class Baseline:
    """A label's prompts in a prompt set that has no other label, for one model."""

    prompt_set: PromptSet
    card: ModelCard

    def measured(self, texts: NDArray[np.float32], examples: Examples) -> Measured:
        """Score examples by prompts; `texts` are float32 `[n, d]`, of the set's texts in order.

        What reaches the label's threshold, by the model's own scale, counts as found.
        """
        [label] = self.prompt_set.labels
        vectors = dict(zip(self.prompt_set.texts(), texts, strict=True))
        compiled = compile_set(self.prompt_set, vectors, self.card.key)
        found = margins(examples.vectors, compiled, floor=self.card.score_scale.floor)[:, 0]
        confidences = link_of(self.prompt_set, label, self.card, None).confidences(found)
        # Ranked by margin: confidences can be equal where margins are not.
        reached = found[confidences >= label.threshold]
        threshold = float(reached.min()) if len(reached) else np.inf
        return measure(found.astype(np.float64), examples.shows, examples.groups, threshold)


def baseline_of(prompt_set: PromptSet, label_id: str, card: ModelCard) -> Baseline | None:
    """The set's prompts for a label; None where it has none."""
    for label in prompt_set.labels:
        if label.id == label_id and label.scored_by == "prompts":
            alone = prompt_set.model_copy(update={"labels": (label,), "rules": (), "examples": ()})
            return Baseline(alone, card)
    return None
