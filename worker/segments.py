"""Cut a label's confidences over time into segments: hysteresis, bridged gaps, minimum frames.

One frame above a threshold proves little: at a false-positive rate of 6% per frame, nearly
every clean minute has one. So a label must hold for `min_frames` frames; it begins at
`threshold` and goes on down to `exit_threshold`, so that a scene near the threshold is one
segment and not ten.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prompts.schema import Label

Times = NDArray[np.int64]
Confidences = NDArray[np.float32]


@dataclass(frozen=True)
class FrameTimes:
    """When each sampled frame was shown and for how long it stands, in microseconds.

    A sampled frame speaks for the time until the next one, the last one to the end of the
    video: where more than a sampling step lies between, nothing else was shown.
    """

    starts_us: Times
    ends_us: Times

    @classmethod
    def of(cls, starts_us: Times, duration_us: int) -> FrameTimes:
        """Derive the ends from rising starts and the video's duration."""
        ends_us = np.empty_like(starts_us)
        ends_us[:-1] = starts_us[1:]
        if len(starts_us):
            ends_us[-1] = max(int(starts_us[-1]), duration_us)
        return cls(starts_us=starts_us, ends_us=ends_us)


@dataclass(frozen=True)
class Segment:
    """A stretch in which a label holds; `peak` is the index of its most confident frame.

    `first` and `last` are the indices of its first and last frame at or above the exit
    threshold; `frames` counts those, `mean_confidence` is over them.
    """

    start_us: int
    end_us: int
    first: int
    last: int
    peak: int
    frames: int
    confidence: float
    mean_confidence: float


def cut_segments(label: Label, confidences: Confidences, times: FrameTimes) -> list[Segment]:
    """Return a label's segments in order of time; `confidences` is float32 `[n]`."""
    holds = np.flatnonzero(confidences >= label.exit_threshold)
    segments = []
    for run in _split_at_gaps(holds, times, label.max_gap_ms * 1000):
        trimmed = _from_first_entry(run, confidences, label.threshold)
        if len(trimmed) >= label.min_frames:
            segments.append(_segment(trimmed, confidences, times))
    return segments


def _split_at_gaps(
    holds: NDArray[np.intp], times: FrameTimes, max_gap_us: int
) -> list[NDArray[np.intp]]:
    """Group indices whose frames follow each other, or lie no further apart than the gap."""
    if not len(holds):
        return []
    gaps_us = times.starts_us[holds[1:]] - times.ends_us[holds[:-1]]
    return list(np.split(holds, np.flatnonzero(gaps_us > max_gap_us) + 1))


def _from_first_entry(
    run: NDArray[np.intp], confidences: Confidences, threshold: float
) -> NDArray[np.intp]:
    """Drop what lies before the first frame that reaches the threshold: nothing has begun yet."""
    entries = np.flatnonzero(confidences[run] >= threshold)
    return run[entries[0] :] if len(entries) else run[:0]


def _segment(run: NDArray[np.intp], confidences: Confidences, times: FrameTimes) -> Segment:
    peak = int(run[np.argmax(confidences[run])])
    return Segment(
        start_us=int(times.starts_us[run[0]]),
        end_us=int(times.ends_us[run[-1]]),
        first=int(run[0]),
        last=int(run[-1]),
        peak=peak,
        frames=len(run),
        confidence=float(confidences[peak]),
        mean_confidence=float(confidences[run].mean()),
    )
