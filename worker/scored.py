"""Scoring the frames of a work: margins, confidences, segments, and what each of them rests on.

All of it is numpy over stored vectors, so it is done again with another prompt set or calibration
without any frame being decoded or embedded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.media.spec import SamplingSpec
from ingest.queue.payloads import Work
from prompts.calibration import Calibration, labels_in_use
from prompts.compiling import CompiledSet, compile_set
from prompts.label import Label
from prompts.links import Link, Logistic
from prompts.schema import PromptSet
from prompts.scoring import margins
from worker.frames import EmbeddedFrames
from worker.models.card import ModelCard
from worker.segments import FrameTimes, Segment, cut_segments


@dataclass(frozen=True, eq=False)
class FrameScores:
    """Every sampled frame against every label of a set, columns in the set's order.

    `margins` and `confidences` are float32 `[frames, labels]`; `pictures` int64 of that shape, the
    row of the vector that gave the margin: the highest of a frame's pictures counts.
    """

    margins: NDArray[np.float32]
    confidences: NDArray[np.float32]
    pictures: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ScoredWork:
    """One work under one prompt set and calibration.

    `labels` are the set's, with the thresholds of the calibration where it has any; `links` turned
    their margins into confidences. `segments` are in order of start, then label.
    """

    work: Work
    card: ModelCard
    prompt_set: PromptSet
    calibration: Calibration | None
    compiled: CompiledSet
    labels: tuple[Label, ...]
    links: tuple[Link, ...]
    frames: EmbeddedFrames
    times: FrameTimes
    scores: FrameScores
    segments: list[tuple[Label, Segment]]


@dataclass(frozen=True, eq=False)
class Scorer:
    """A prompt set, compiled for one model; scores any number of works."""

    card: ModelCard
    prompt_set: PromptSet
    calibration: Calibration | None
    compiled: CompiledSet

    @classmethod
    def of(
        cls,
        card: ModelCard,
        prompt_set: PromptSet,
        calibration: Calibration | None,
        text_vectors: Mapping[str, NDArray[np.float32]],
    ) -> Scorer:
        """Compile; raises MissingTextVectors, HeadMissing."""
        compiled = compile_set(prompt_set, text_vectors, card.key)
        return cls(card, prompt_set, calibration, compiled)

    def score(self, work: Work, frames: EmbeddedFrames, spec: SamplingSpec) -> ScoredWork:
        """Score a work's frames and cut them into segments."""
        times = FrameTimes.of(frames.shown_us, frames.duration_us, frames.cuts_us, spec.strategy)
        labels = labels_in_use(self.prompt_set, self.calibration)
        links = tuple(
            link_of(self.prompt_set, label, self.card, self.calibration)
            for label in self.prompt_set.labels
        )
        scores = self._scores(frames, links)
        segments = [
            (label, segment)
            for column, label in enumerate(labels)
            for segment in cut_segments(label, scores.confidences[:, column], times)
        ]
        segments.sort(key=lambda one: (one[1].start_us, one[0].id))
        return ScoredWork(
            work=work,
            card=self.card,
            prompt_set=self.prompt_set,
            calibration=self.calibration,
            compiled=self.compiled,
            labels=labels,
            links=links,
            frames=frames,
            times=times,
            scores=scores,
            segments=segments,
        )

    def _scores(self, frames: EmbeddedFrames, links: tuple[Link, ...]) -> FrameScores:
        of_pictures = margins(
            frames.vectors, self.compiled, frames.classifier_scores, self.card.score_scale.floor
        )
        pictures = _best_pictures(of_pictures, frames)
        of_frames = np.take_along_axis(of_pictures, pictures, axis=0)
        confidences = np.empty_like(of_frames)
        for column, link in enumerate(links):
            confidences[:, column] = link.confidences(of_frames[:, column])
        return FrameScores(of_frames, confidences, pictures)


def link_of(
    prompt_set: PromptSet, label: Label, card: ModelCard, calibration: Calibration | None
) -> Link:
    """How a label's margins become confidences: as calibrated, else by the model's own scale."""
    fitted = None if calibration is None else calibration.of(prompt_set, label)
    if fitted is not None:
        return fitted.link
    if label.scored_by == "prompts":
        return Logistic(scale=card.score_scale.scale, bias=card.score_scale.bias)
    # Heads and classifiers are fitted probabilities, of which the margin is the logit.
    return Logistic(scale=1.0, bias=0.0)


def _best_pictures(of_pictures: NDArray[np.float32], frames: EmbeddedFrames) -> NDArray[np.int64]:
    """The row of the picture with the highest margin, per frame and label; of equals the first."""
    shape = (len(frames), of_pictures.shape[1])
    best = np.broadcast_to(frames.first[:, None], shape).copy()
    highest = of_pictures[frames.first]
    for place in range(1, int(frames.count.max(initial=1))):
        more = np.flatnonzero(frames.count > place)
        candidates = of_pictures[frames.first[more] + place]
        is_higher = candidates > highest[more]
        highest[more] = np.where(is_higher, candidates, highest[more])
        best[more] = np.where(is_higher, (frames.first[more] + place)[:, None], best[more])
    return best
