"""Examples whose true probabilities are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clipwarden.calibration.examples import Examples, Stretch
from worker.segments import FrameTimes


def drawn_examples(
    frames: int = 4000,
    labels: tuple[str, ...] = ("fire",),
    *,
    scale: float = 0.4,
    bias: float = 3.0,
    per_scene: int = 1,
    seed: int = 5,
) -> Examples:
    """Frames whose labels hold with the probability `sigmoid(scale * (log odds - bias))`.

    With `per_scene` frames of one scene each they share log odds and truth.
    """
    random = np.random.default_rng(seed)
    scenes = frames // per_scene
    log_odds = random.normal(-1.0, 5.0, (scenes, len(labels)))
    holds = random.random(log_odds.shape) < sigmoid(scale * (log_odds - bias))
    return Examples(
        labels=labels,
        pools=(0,) * len(labels),
        log_odds=log_odds.repeat(per_scene, axis=0),
        targets=holds.astype(np.int8).repeat(per_scene, axis=0),
        groups=np.arange(scenes).repeat(per_scene),
    )


def sigmoid(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logistic function."""
    return np.asarray(1 / (1 + np.exp(-log_odds)), np.float64)


def footage(frames: int, fps: int = 2, first: int = 0, name: str = "a.mp4") -> Stretch:
    """Rows of one video without cuts."""
    shown_us = np.arange(frames, dtype=np.int64) * (1_000_000 // fps)
    times = FrameTimes.of(shown_us, frames * (1_000_000 // fps))
    return Stretch(name, first, first + frames, times)
