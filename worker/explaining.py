"""Telling what stored results rest on: which frames, which prompts, which margins, which link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from ingest.blobs import BlobRef
from ingest.keys import text_vectors_key
from ingest.queue.payloads import Work
from prompts.calibration import Calibration, labels_in_use
from prompts.label import Label
from prompts.schema import PromptSet, expand
from worker.document import BlobInfo, Explanation, HeadInfo, PromptInfo, ScoringInfo
from worker.models.card import ModelCard
from worker.score_blob import NO_PROMPT, Grounds, StoredScores
from worker.scored import link_of


@dataclass(frozen=True, eq=False)
class Explainer:
    """Explains the segments of one version of a work's result, by its stored scores."""

    work: Work
    card: ModelCard
    prompt_set: PromptSet
    calibration: Calibration | None
    scores: StoredScores
    grounds: Grounds

    def scoring(self) -> ScoringInfo:
        """What the explanations of all segments refer to."""
        prompt_set = self.prompt_set
        of_texts = {text: row for row, text in enumerate(prompt_set.texts())}
        templated = list(prompt_set.templated_prompts())
        prompts = []
        for row in self._deciding():
            templates, prompt = templated[row]
            texts = expand(templates, prompt)
            rows = tuple(of_texts[text] for text in texts)
            prompts.append(PromptInfo(prompt=prompt, texts=texts, rows=rows))
        key = text_vectors_key(self.work.tenant, self.work.model_key, prompt_set.sha256)
        return ScoringInfo(
            prompt_set=prompt_set.name,
            calibration=None if self.calibration is None else self.calibration.sha256,
            floor=self.card.score_scale.floor,
            text_vectors=key if of_texts else None,
            prompts=tuple(prompts),
            heads=tuple(self._heads()),
            vectors=_blobs(self.scores.blobs, "vector"),
            scores={name: _blobs(self.scores.blobs, name) for name in prompt_set.classifiers},
        )

    def explain(self, number: int, label: Label) -> Explanation:
        """Explain the segment of that number."""
        rows = np.flatnonzero(self.grounds.segment == number)
        column = [one.id for one in self.prompt_set.labels].index(label.id)
        frames = self.grounds.frame[rows]
        assert self.scores.margins is not None
        margins = self.scores.margins[frames, column]
        confidences = self.scores.confidences[frames, column]
        fitted = None if self.calibration is None else self.calibration.of(self.prompt_set, label)
        in_use = labels_in_use(self.prompt_set, self.calibration)[column]
        by_prompts = label.scored_by == "prompts"
        return Explanation(
            scored_by=label.scored_by,
            link=link_of(self.prompt_set, label, self.card, self.calibration),
            calibrated=fitted is not None,
            threshold=in_use.threshold,
            exit_threshold=in_use.exit_threshold,
            times_ms=tuple(round(int(time) / 1000) for time in self.scores.times_us[frames]),
            margins=tuple(round(float(one), 6) for one in margins),
            confidences=tuple(round(float(one), 6) for one in confidences),
            vectors=tuple(self.scores.place_of(int(one)) for one in self.grounds.picture[rows]),
            prompts=self._places(self.grounds.positive[rows].tolist()) if by_prompts else (),
            contrasts=self._places(self.grounds.contrast[rows].tolist()) if by_prompts else (),
            because=self._because(label, int(rows[confidences.argmax()]), float(margins.max())),
        )

    def _deciding(self) -> list[int]:
        """The rows of the prompts that decided anywhere, rising."""
        rows = set(chain(self.grounds.positive.tolist(), self.grounds.contrast.tolist()))
        return sorted(rows - {NO_PROMPT})

    def _places(self, rows: Sequence[int]) -> tuple[int, ...]:
        place_of = {row: place for place, row in enumerate(self._deciding())}
        return tuple(place_of.get(row, NO_PROMPT) for row in rows)

    def _because(self, label: Label, row: int, margin: float) -> str:
        if label.scored_by == "classifier":
            return f"{label.classifier} scores it {1 / (1 + np.exp(-margin)):.2f}"
        if label.scored_by == "head":
            return f"the trained head gives it {margin:+.2f}"
        templated = list(self.prompt_set.templated_prompts())
        positive = templated[int(self.grounds.positive[row])][1]
        contrast = int(self.grounds.contrast[row])
        nearest = (
            "anything the model takes it for"
            if contrast == NO_PROMPT
            else (f'"{templated[contrast][1]}"')
        )
        return f'"{positive}" is nearer than {nearest} by {margin:.3f}'

    def _heads(self) -> list[HeadInfo]:
        found = []
        for label in self.prompt_set.labels:
            head = label.head_for(self.work.model_key)
            if head is not None:
                found.append(
                    HeadInfo(
                        label=label.id, sha256=head.sha256, weights=head.weights, bias=head.bias
                    )
                )
        return found


def _blobs(blobs: Mapping[str, Sequence[BlobRef]], kind: str) -> tuple[BlobInfo, ...]:
    return tuple(BlobInfo(key=ref.key, sha256=ref.sha256) for ref in blobs.get(kind, ()))
