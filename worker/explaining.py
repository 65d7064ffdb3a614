"""Telling what stored results rest on: which frames, which prompts, which margins, which link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ingest.blobs import BlobRef
from ingest.keys import text_vectors_key
from ingest.queue.payloads import Work
from prompts.calibration import Calibration, labels_in_use
from prompts.label import Label
from prompts.links import Link
from prompts.schema import PromptSet, expand
from worker.document import BlobInfo, Explanation, HeadInfo, PromptInfo, ScoringInfo
from worker.models.card import ModelCard
from worker.score_blob import NO_PROMPT, Grounds, StoredScores
from worker.scored import link_of


@dataclass(frozen=True)
class _InUse:
    label: Label
    link: Link
    is_calibrated: bool


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
        prompts = []
        for row in self._place_of:
            templates, prompt = self._templated[row]
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
        # A segment's rows lie together, in the segments' order.
        rows = np.arange(*np.searchsorted(self.grounds.segment, [number, number + 1]))
        column = [one.id for one in self.prompt_set.labels].index(label.id)
        frames = self.grounds.frame[rows]
        assert self.scores.margins is not None
        margins = self.scores.margins[frames, column]
        confidences = self.scores.confidences[frames, column]
        use = self._in_use[label.id]
        by_prompts = label.scored_by == "prompts"
        peak = int(confidences.argmax())
        return Explanation(
            scored_by=label.scored_by,
            link=use.link,
            calibrated=use.is_calibrated,
            threshold=use.label.threshold,
            exit_threshold=use.label.exit_threshold,
            times_ms=tuple(round(int(time) / 1000) for time in self.scores.times_us[frames]),
            margins=tuple(round(float(one), 6) for one in margins),
            confidences=tuple(round(float(one), 6) for one in confidences),
            vectors=tuple(self.scores.place_of(int(one)) for one in self.grounds.picture[rows]),
            prompts=self._places(self.grounds.positive[rows].tolist()) if by_prompts else (),
            contrasts=self._places(self.grounds.contrast[rows].tolist()) if by_prompts else (),
            # Of that frame: where a link is level, another's margin may be greater.
            because=self._because(label, int(rows[peak]), float(margins[peak])),
        )

    @cached_property
    def _templated(self) -> list[tuple[tuple[str, ...], str]]:
        return list(self.prompt_set.templated_prompts())

    @cached_property
    def _place_of(self) -> dict[int, int]:
        """The rows of the prompts that decided anywhere, rising, each with its place among them."""
        rows = np.union1d(self.grounds.positive, self.grounds.contrast).tolist()
        return {row: place for place, row in enumerate(one for one in rows if one != NO_PROMPT)}

    @cached_property
    def _in_use(self) -> dict[str, _InUse]:
        """By label: what a segment's confidences were made by and compared with."""
        calibration, prompt_set = self.calibration, self.prompt_set
        labels = labels_in_use(prompt_set, calibration)
        return {
            label.id: _InUse(
                label=label,
                link=link_of(prompt_set, label, self.card, calibration),
                is_calibrated=calibration is not None
                and calibration.of(prompt_set, label) is not None,
            )
            for label in labels
        }

    def _places(self, rows: Sequence[int]) -> tuple[int, ...]:
        return tuple(self._place_of.get(row, NO_PROMPT) for row in rows)

    def _because(self, label: Label, row: int, margin: float) -> str:
        if label.scored_by == "classifier":
            return f"{label.classifier} scores it {1 / (1 + np.exp(-margin)):.2f}"
        if label.scored_by == "head":
            return f"the trained head gives it {margin:+.2f}"
        positive = self._templated[int(self.grounds.positive[row])][1]
        contrast = int(self.grounds.contrast[row])
        if contrast == NO_PROMPT:
            other = "what the model asks for"
        else:
            other = f'"{self._templated[contrast][1]}"'
        if margin < 0:
            return f'"{positive}" comes within {-margin:.3f} of {other}'
        return f'"{positive}" is nearer than {other} by {margin:.3f}'

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
