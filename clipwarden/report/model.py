"""What a report is made from: result documents, the scores behind them, evidence pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.document import ResultDocument


@dataclass(frozen=True)
class ScoreCurves:
    """How confident one prompt set was on each sampled frame of one video.

    `thresholds` are the enter thresholds, one per label; `times_ms` is int64 `[n]` and rising,
    `confidences` float32 `[n, labels]` in 0..1. Raises ValueError where the shapes disagree.
    """

    prompt_set: str
    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    times_ms: NDArray[np.int64]
    confidences: NDArray[np.float32]

    def __post_init__(self) -> None:
        frames, labels = len(self.times_ms), len(self.labels)
        if self.confidences.shape != (frames, labels) or len(self.thresholds) != labels:
            raise ValueError(
                f"{frames} times, {labels} labels and {len(self.thresholds)} thresholds don't "
                f"fit confidences of shape {self.confidences.shape}"
            )


@dataclass(frozen=True)
class VideoReport:
    """One input of a run.

    `thumbnails` maps a segment's `evidence` to JPEG bytes, 320 px wide; evidence that is no
    longer stored is simply not in it.
    """

    document: ResultDocument
    curves: tuple[ScoreCurves, ...]
    thumbnails: Mapping[str, bytes]
