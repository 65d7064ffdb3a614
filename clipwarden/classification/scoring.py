"""From vectors to a confidence for every label: one of them, or each by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from prompts.compiling import CompiledSet
from prompts.links import Logistic
from prompts.scoring import margins

Vectors = NDArray[np.float32]
Indices = NDArray[np.intp]

_SAME_TEXT_COSINE = 1 - 1e-6
"""Vectors of two texts that a tokenizer makes the same tokens of are nearer than that."""
_ROWS_PER_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Scores:
    """Float32 `[pictures, labels]` each: confidences in 0..1, and what they were made from."""

    confidences: Vectors
    evidence: Vectors


class Scorer(Protocol):
    """Knows the labels' vectors."""

    @property
    def measure(self) -> str:
        """What the evidence is: `cosine` or `margin`."""

    def score(self, pictures: Vectors) -> Scores:
        """Score unit vectors, float32 `[pictures, d]`."""


@dataclass(frozen=True, eq=False)
class Softmax:
    """One label of several: softmax over `scale * cosine` (Radford et al. 2021, section 3.1.2).

    `rows` are unit vectors, float32 `[m, d]`; a label has several where a set describes it by
    several prompts, and counts by the nearest. `starts` are where each label's rows begin.
    """

    rows: Vectors
    starts: Indices
    scale: float
    measure: str = "cosine"

    def score(self, pictures: Vectors) -> Scores:
        """Score pictures; each one's confidences add up to 1."""
        cosines = np.maximum.reduceat(pictures @ self.rows.T, self.starts, axis=1)
        logits = self.scale * cosines.astype(np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = odds / odds.sum(axis=1, keepdims=True)
        return Scores(shares.astype(np.float32), cosines)


@dataclass(frozen=True, eq=False)
class Sigmoid:
    """Each label by itself, by a model that was trained for just that.

    `sigmoid(scale * cosine + bias)`, both the model's own (Zhai et al. 2023, arXiv 2303.15343).
    """

    rows: Vectors
    scale: float
    bias: float
    measure: str = "cosine"

    def score(self, pictures: Vectors) -> Scores:
        """Score pictures."""
        cosines = pictures @ self.rows.T
        link = Logistic(scale=self.scale, bias=-self.bias / self.scale)
        return Scores(link.confidences(cosines), cosines)


@dataclass(frozen=True, eq=False)
class Margins:
    """Each label by itself, by how much nearer it is than the nearest of what it is compared with.

    `contrast` are unit vectors, float32 `[c, d]`; where there are none, the other labels are.
    """

    rows: Vectors
    contrast: Vectors
    link: Logistic
    measure: str = "margin"

    def score(self, pictures: Vectors) -> Scores:
        """Score pictures."""
        cosines = pictures @ self.rows.T
        if len(self.contrast):
            against = (pictures @ self.contrast.T).max(axis=1, keepdims=True)
        else:
            against = _best_other(cosines)
        found = np.asarray(cosines - against, np.float32)
        return Scores(self.link.confidences(found), found)


@dataclass(frozen=True, eq=False)
class SetMargins:
    """A prompt set's own margins, as videos are scored by; `links` are one for each label."""

    compiled: CompiledSet
    links: tuple[Logistic, ...]
    floor: float | None
    measure: str = "margin"

    def score(self, pictures: Vectors) -> Scores:
        """Score pictures."""
        found = margins(pictures, self.compiled, floor=self.floor)
        columns = [link.confidences(found[:, place]) for place, link in enumerate(self.links)]
        return Scores(np.stack(columns, axis=1), found)


def ensembled(vectors: Vectors, texts: int, templates: int) -> Vectors:
    """Return the mean of each text's vectors over its templates, made unit length again.

    `vectors` are `[texts * templates, d]`, a text's side by side (Radford et al. 2021, section
    3.1.4).
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.maximum(length, np.finfo(np.float32).tiny)).reshape(texts, templates, -1)
    mean = unit.mean(axis=1, dtype=np.float64)
    norm = np.linalg.norm(mean, axis=1, keepdims=True)
    return np.asarray(mean / np.maximum(norm, np.finfo(np.float64).tiny), np.float32)


def alike(rows: Vectors) -> list[tuple[int, int]]:
    """Return pairs of texts that the model can't tell apart, the second being the later one.

    Most tokenizers read `STOP` and `stop` as the same word; each text is paired once at most.
    """
    found = []
    for start in range(0, len(rows), _ROWS_PER_BLOCK):
        block = rows[start : start + _ROWS_PER_BLOCK] @ rows[: start + _ROWS_PER_BLOCK].T
        for offset, cosines in enumerate(block):
            same = np.flatnonzero(cosines[: start + offset] >= _SAME_TEXT_COSINE)
            if len(same):
                found.append((int(same[0]), start + offset))
    return found


def _best_other(cosines: Vectors) -> Vectors:
    """The highest cosine among a picture's other labels, for each label; there are two or more."""
    two = np.partition(cosines, -2, axis=1)[:, -2:]
    best = cosines.argmax(axis=1)
    others = np.repeat(two[:, 1:], cosines.shape[1], axis=1)
    others[np.arange(len(cosines)), best] = two[:, 0]
    return others
