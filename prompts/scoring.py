"""Score frames against a prompt set: how much nearer to a label than to everything else.

Raw cosines can't be compared between prompts, pictures or models. A label's margin is its best
prompt's cosine minus the best contrast prompt's, and the model's own scale and bias turn it
into a confidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prompts.errors import MissingTextVectors
from prompts.schema import PromptSet, expand

Vectors = NDArray[np.float32]
Indices = NDArray[np.intp]

FRAMES_PER_BLOCK: Final = 4096
"""Frames scored at once: with 500 prompts the cosines of a block take 8 MiB."""


@dataclass(frozen=True)
class CompiledSet:
    """A prompt set with the vectors of one model, ready to score frames.

    `prompts` is float32 `[m, d]`, one unit vector per distinct prompt; for each label, in the
    set's order, `positives` and `contrasts` hold the rows it is made of.
    """

    labels: tuple[str, ...]
    prompts: Vectors
    positives: tuple[Indices, ...]
    contrasts: tuple[Indices, ...]


def compile_set(prompt_set: PromptSet, vectors: Mapping[str, Vectors]) -> CompiledSet:
    """Join a set with its text vectors, each `[d]`, given for at least `prompt_set.texts()`.

    A prompt's vector is the mean over its templates of the texts' unit vectors, made unit
    length again (Radford et al. 2021, arXiv 2103.00020, section 3.1.4). Raises
    MissingTextVectors where a text has no usable vector.
    """
    unit = _unit_vectors(prompt_set, vectors)
    row_of: dict[tuple[tuple[str, ...], str], int] = {}
    rows: list[NDArray[np.float64]] = []
    for templates, prompt in prompt_set.templated_prompts():
        row_of[templates, prompt] = len(rows)
        rows.append(np.mean([unit[text] for text in expand(templates, prompt)], axis=0))
    prompts = np.stack(rows)
    prompts /= np.linalg.norm(prompts, axis=1, keepdims=True)

    positives, contrasts = [], []
    for label in prompt_set.labels:
        templates = prompt_set.templates_of(label)
        contrast = prompt_set.contrast_of(label)
        positives.append(np.array([row_of[templates, p] for p in label.prompts], np.intp))
        contrasts.append(np.array([row_of[templates, p] for p in contrast], np.intp))
    return CompiledSet(
        labels=tuple(label.id for label in prompt_set.labels),
        prompts=prompts.astype(np.float32),
        positives=tuple(positives),
        contrasts=tuple(contrasts),
    )


def margins(frames: Vectors, compiled: CompiledSet) -> Vectors:
    """Return each label's best positive cosine minus its best contrast cosine.

    `frames` are unit vectors, float32 `[n, d]`; the result is float32 `[n, labels]` in -2..2.
    """
    result = np.empty((len(frames), len(compiled.labels)), np.float32)
    pairs = list(zip(compiled.positives, compiled.contrasts, strict=True))
    for start in range(0, len(frames), FRAMES_PER_BLOCK):
        block = slice(start, start + FRAMES_PER_BLOCK)
        # Prompts by frames: a label's rows then lie together, and the maxima run along them.
        cosines = compiled.prompts @ frames[block].T
        for column, (positive, contrast) in enumerate(pairs):
            result[block, column] = cosines[positive].max(axis=0) - cosines[contrast].max(axis=0)
    return result


def confidences(margins: Vectors, scale: float, bias: float) -> Vectors:
    """Return `sigmoid(scale * (margin - bias))`, in 0..1 and of the same shape.

    `scale` and `bias` belong to the model: cosines of different models lie in different ranges.
    """
    # The logistic function by tanh, which saturates where exp would overflow.
    logistic = 0.5 * (1.0 + np.tanh(0.5 * scale * (margins - bias)))
    return np.asarray(logistic, np.float32)


def _unit_vectors(
    prompt_set: PromptSet, vectors: Mapping[str, Vectors]
) -> dict[str, NDArray[np.float64]]:
    texts = prompt_set.texts()
    missing = [text for text in texts if text not in vectors]
    if missing:
        raise MissingTextVectors(
            f"{len(missing)} of the {len(texts)} texts of prompt set {prompt_set.name} have no "
            f"vector, the first is {missing[0]!r}.",
            "Embed the set's texts with the model that embedded the frames.",
        )
    unit = {}
    for text in texts:
        vector = vectors[text].astype(np.float64)
        length = np.linalg.norm(vector)
        if not np.isfinite(length) or length == 0:
            raise MissingTextVectors(
                f"The vector of {text!r} in prompt set {prompt_set.name} is zero or not finite.",
                "Embed the set's texts again.",
            )
        unit[text] = vector / length
    if len({vector.shape for vector in unit.values()}) > 1:
        raise MissingTextVectors(
            f"The vectors for prompt set {prompt_set.name} differ in length.",
            "Embed all of the set's texts with one model.",
        )
    return unit
