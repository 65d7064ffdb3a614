"""A prompt set made ready for scoring: its labels' prompts as rows of one matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prompts.errors import HeadMissing, MissingTextVectors
from prompts.label import Label
from prompts.schema import PromptSet, expand

Vectors = NDArray[np.float32]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Compared:
    """A label scored by prompts: rows of its own, of its contrast, and the shared pool's number."""

    positives: Indices
    contrast: Indices
    pool: int


@dataclass(frozen=True, eq=False)
class Directed:
    """A label scored by a trained head: float32 `[d]` and a bias."""

    weights: Vectors
    bias: float


@dataclass(frozen=True)
class Classified:
    """A label scored by a frame classifier, by its name."""

    classifier: str


Column = Compared | Directed | Classified


@dataclass(frozen=True, eq=False)
class CompiledSet:
    """A prompt set with the vectors of one model, ready to score frames.

    `prompts` is float32 `[m, d]`, one unit vector per distinct (templates, prompt), in the order of
    `prompt_set.templated_prompts()`. `pools` are the rows of the set's shared contrast, one for
    each choice of templates. `columns` are the labels, in the set's order.
    """

    labels: tuple[str, ...]
    prompts: Vectors
    pools: tuple[Indices, ...]
    columns: tuple[Column, ...]


def compile_set(
    prompt_set: PromptSet, vectors: Mapping[str, Vectors], model_key: str = ""
) -> CompiledSet:
    """Join a set with its text vectors, each `[d]`, given for at least `prompt_set.texts()`.

    A prompt's vector is the mean over its templates of the texts' unit vectors, made unit
    length again (Radford et al. 2021, arXiv 2103.00020, section 3.1.4). Raises
    MissingTextVectors where a text has no usable vector, HeadMissing where a label's heads are
    all of other models than `model_key`.
    """
    unit = _unit_vectors(prompt_set, vectors)
    row_of: dict[tuple[tuple[str, ...], str], int] = {}
    rows: list[NDArray[np.float64]] = []
    for templates, prompt in prompt_set.templated_prompts():
        row_of[templates, prompt] = len(rows)
        rows.append(np.mean([unit[text] for text in expand(templates, prompt)], axis=0))
    prompts = np.stack(rows) if rows else np.empty((0, 0))
    prompts /= np.linalg.norm(prompts, axis=1, keepdims=True)

    pool_of: dict[tuple[str, ...], int] = {}
    pools: list[Indices] = []
    columns: list[Column] = []
    for label in prompt_set.labels:
        if label.scored_by != "prompts":
            columns.append(_other_column(prompt_set, label, model_key))
            continue
        templates = prompt_set.templates_of(label)
        if templates not in pool_of:
            pool_of[templates] = len(pools)
            pools.append(_rows(row_of, templates, prompt_set.contrast))
        columns.append(
            Compared(
                positives=_rows(row_of, templates, label.prompts),
                contrast=_rows(row_of, templates, label.contrast),
                pool=pool_of[templates],
            )
        )
    return CompiledSet(
        labels=tuple(label.id for label in prompt_set.labels),
        prompts=prompts.astype(np.float32),
        pools=tuple(pools),
        columns=tuple(columns),
    )


def require_heads(prompt_set: PromptSet, model_key: str, model_id: str) -> None:
    """Raise HeadMissing where a label is scored by heads, but by none for this model."""
    for label in prompt_set.labels:
        if label.heads and label.head_for(model_key) is None:
            raise _head_missing(prompt_set, label, model_id)


def _other_column(prompt_set: PromptSet, label: Label, model_key: str) -> Column:
    if label.classifier is not None:
        return Classified(label.classifier)
    head = label.head_for(model_key)
    if head is None:
        raise _head_missing(prompt_set, label, model_key)
    return Directed(np.array(head.weights, np.float32), head.bias)


def _head_missing(prompt_set: PromptSet, label: Label, model: str) -> HeadMissing:
    trained = ", ".join(sorted({head.model_id for head in label.heads}))
    return HeadMissing(
        f"label {label.id} of prompt set {prompt_set.name} has no trained head for the model "
        f"{model}, only for {trained}.",
        "Train one with `clipwarden train-head --model ...`, or take the model it has one for.",
    )


def _rows(
    row_of: Mapping[tuple[tuple[str, ...], str], int],
    templates: tuple[str, ...],
    prompts: Sequence[str],
) -> Indices:
    return np.array([row_of[templates, prompt] for prompt in prompts], np.intp)


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
