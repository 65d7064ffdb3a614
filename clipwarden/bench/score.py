"""How fast frames are scored against prompts: the way of the product, beside its lower bound.

The bound is one matrix product of the same shape, which scoring can't do without. The other
comparison is the plain way: for each label its own product with all it is compared with, the shared
contrast prompts again each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipwarden.bench.machine import load, processor, version
from prompts.compiling import Compared, CompiledSet, compile_set
from prompts.label import Label
from prompts.links import Logistic
from prompts.schema import PromptSet
from prompts.scoring import margins
from worker.segments import FrameTimes, cut_segments

Vectors = NDArray[np.float32]

_DISTINCT_FRAMES = 65_536
"""Different vectors; beyond, they are scored again. At 512 numbers they are 134 MB, more than any
cache holds, so that each time they come from memory."""

_PROMPTS_PER_LABEL = 5
_STEP_US = 500_000
_SCALE, _BIAS = 50.0, 0.1
_SEED = 20_261_122


@dataclass(frozen=True)
class ScorePlan:
    """What is scored: half of the prompts are labels', five each, half shared contrast."""

    frames: int
    prompts: int
    dimension: int
    repeats: int


@dataclass(frozen=True)
class Step:
    """One way through all frames; the median of its turns, `ratio` to the matrix product alone."""

    name: str
    seconds: float
    frames_per_s: float
    ratio: float


@dataclass(frozen=True)
class ScoreReport:
    """What a run showed, and on what."""

    plan: ScorePlan
    labels: int
    steps: list[Step]
    machine: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """The report as plain objects."""
        return asdict(self)


def measure(plan: ScorePlan, tell: Callable[[str], None]) -> ScoreReport:
    """Time every way in turn, so often as is asked for."""
    rng = np.random.default_rng(_SEED)
    vectors = _units(rng, min(plan.frames, _DISTINCT_FRAMES), plan.dimension)
    prompt_set = _prompt_set(plan.prompts)
    texts = prompt_set.texts()
    of_texts = dict(zip(texts, _units(rng, len(texts), plan.dimension), strict=True))
    compiled = compile_set(prompt_set, of_texts)
    ways: dict[str, Callable[[Vectors], object]] = {
        "matrix product alone": lambda block: compiled.prompts @ block.T,
        "margins": lambda block: margins(block, compiled),
        "margins, confidences, segments": lambda block: _to_segments(block, compiled, prompt_set),
        "label by label": lambda block: _label_by_label(block, compiled),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(plan.repeats):
        for name, way in ways.items():
            tell(f"{name}, turn {turn + 1} of {plan.repeats}")
            seconds[name].append(_time(way, vectors, plan.frames))
    medians = {name: float(np.median(turns)) for name, turns in seconds.items()}
    bound = medians["matrix product alone"]
    return ScoreReport(
        plan=plan,
        labels=len(compiled.labels),
        steps=[
            Step(name, took, plan.frames / took, took / bound) for name, took in medians.items()
        ],
        machine={"processor": processor(), "load": load(), "numpy": version("numpy")},
    )


def _time(way: Callable[[Vectors], object], vectors: Vectors, frames: int) -> float:
    began, left = time.perf_counter(), frames
    while left > 0:
        way(vectors[:left])
        left -= len(vectors)
    return time.perf_counter() - began


def _to_segments(block: Vectors, compiled: CompiledSet, prompt_set: PromptSet) -> int:
    """What finishing a video of that many frames computes."""
    found = Logistic(scale=_SCALE, bias=_BIAS).confidences(margins(block, compiled))
    shown_us = np.arange(len(block), dtype=np.int64) * _STEP_US
    times = FrameTimes.of(shown_us, len(block) * _STEP_US)
    return sum(
        len(cut_segments(label, found[:, column], times))
        for column, label in enumerate(prompt_set.labels)
    )


def _label_by_label(block: Vectors, compiled: CompiledSet) -> Vectors:
    result = np.empty((len(block), len(compiled.labels)), np.float32)
    for column, scored in enumerate(compiled.columns):
        assert isinstance(scored, Compared)
        contrast = np.concatenate([compiled.pools[scored.pool], scored.contrast])
        positives = block @ compiled.prompts[scored.positives].T
        contrasts = block @ compiled.prompts[contrast].T
        result[:, column] = positives.max(axis=1) - contrasts.max(axis=1)
    return result


def _prompt_set(prompts: int) -> PromptSet:
    labels = max(1, prompts // 2 // _PROMPTS_PER_LABEL)
    contrast = max(1, prompts - labels * _PROMPTS_PER_LABEL)
    return PromptSet(
        name="bench",
        version="1",
        description="Drawn vectors under made-up names.",
        templates=("{}",),
        contrast=tuple(f"contrast {number}" for number in range(contrast)),
        labels=tuple(
            Label(
                id=f"label{number}",
                prompts=tuple(f"{number} {one}" for one in range(_PROMPTS_PER_LABEL)),
            )
            for number in range(labels)
        ),
    )


def _units(rng: np.random.Generator, count: int, dimension: int) -> Vectors:
    drawn = rng.standard_normal((count, dimension), np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn
