"""Cut a label's confidences over time into segments: hysteresis, bridged gaps, minimum frames.

One frame above a threshold proves little: at a false-positive rate of 6% per frame, nearly
every clean minute has one. So a label must hold for `min_frames` frames, or for all that can
confirm each other: a still image has one, so may a shot, and frames seconds apart are alone. It
begins at `threshold` and goes on down to `exit_threshold`, so that a scene near the threshold is
one segment and not ten. Where a label says so, k of n neighbouring frames must reach the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ingest.media.spec import Strategy
from prompts.label import Label

_CONFIRMING_US = 2_000_000
"""Frames further apart show different things: to wait for a second one would be to miss both."""

Times = NDArray[np.int64]
Confidences = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FrameTimes:
    """When each sampled frame was shown and for what time it speaks, in microseconds.

    A frame speaks until the next one, the last one to the end of the video: where more than a
    sampling step lies between, nothing else was shown. But it speaks for its own shot only: where
    a cut lies between it and its neighbour, it begins or ends there. Frames from the middle of
    something (`shots`) speak as far back as ahead. `group` rises from one run of frames that can
    confirm each other to the next. `cuts_us` is where shots begin, as far as anybody looked.
    """

    shown_us: Times
    starts_us: Times
    ends_us: Times
    group: NDArray[np.intp]
    cuts_us: Times

    @classmethod
    def of(
        cls,
        shown_us: Times,
        duration_us: int,
        cuts_us: Sequence[int] = (),
        strategy: Strategy = "fps",
    ) -> FrameTimes:
        """Derive all from rising times of frames and of cuts and the video's duration."""
        shot = np.searchsorted(np.array(cuts_us, np.int64), shown_us, side="right")
        # Before the first cut and after the last there is none to end at.
        borders_us = np.array([-1, *cuts_us, np.iinfo(np.int64).max], np.int64)
        shot_starts_us, shot_ends_us = borders_us[shot], borders_us[shot + 1]
        starts_us, ends_us = shown_us.copy(), shown_us.copy()
        if strategy == "shots":
            starts_us[:1] = 0
            starts_us[1:] -= (shown_us[1:] - shown_us[:-1]) // 2
        is_cut = np.diff(shot, prepend=shot[:1]) > 0
        starts_us[is_cut] = shot_starts_us[is_cut]
        ends_us[:-1] = starts_us[1:]
        ends_us[-1:] = np.maximum(shown_us[-1:], duration_us)
        return cls(
            shown_us=shown_us,
            starts_us=starts_us,
            ends_us=np.minimum(ends_us, shot_ends_us),
            group=_groups(shown_us, is_cut & (strategy == "shots")),
            cuts_us=np.array(cuts_us, np.int64),
        )


@dataclass(frozen=True)
class Segment:
    """A stretch in which a label holds; `peak` is the index of its most confident frame.

    `first` and `last` are the indices of its first and last frame at or above the exit
    threshold; `members` are all of those, `frames` counts them, `mean_confidence` is over them.
    """

    start_us: int
    end_us: int
    first: int
    last: int
    peak: int
    frames: int
    confidence: float
    mean_confidence: float
    members: NDArray[np.intp] = field(compare=False)


def cut_segments(label: Label, confidences: Confidences, times: FrameTimes) -> list[Segment]:
    """Return a label's segments in order of time; `confidences` is float32 `[n]`."""
    holds = np.flatnonzero(confidences >= label.exit_threshold)
    segments = []
    for run in _split_at_gaps(holds, times, label.max_gap_ms * 1000):
        entered = _from_entry(run, label, confidences, times)
        if len(entered):
            segment = _segment(entered, label, confidences, times)
            lasts_us = segment.end_us - segment.start_us
            is_long = lasts_us >= label.min_duration_ms * 1000
            # Longer than a whole video, or a whole shot of which all frames agree, can't be asked.
            if is_long or _holds_all_of_a_group(entered, times):
                segments.append(segment)
    return segments


def _groups(shown_us: Times, is_cut: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number the runs of frames that can confirm each other."""
    is_far = np.diff(shown_us, prepend=shown_us[:1]) > _CONFIRMING_US
    return np.cumsum(is_far | is_cut)


def _split_at_gaps(
    holds: NDArray[np.intp], times: FrameTimes, max_gap_us: int
) -> list[NDArray[np.intp]]:
    """Group indices whose frames follow each other, or lie no further apart than the gap."""
    if not len(holds):
        return []
    gaps_us = times.starts_us[holds[1:]] - times.ends_us[holds[:-1]]
    return list(np.split(holds, np.flatnonzero(gaps_us > max_gap_us) + 1))


def _from_entry(
    run: NDArray[np.intp], label: Label, confidences: Confidences, times: FrameTimes
) -> NDArray[np.intp]:
    """Drop what lies before the frame at which the label enters: all of it, where it never does."""
    entries = np.flatnonzero(confidences[run] >= label.threshold)
    if not len(entries):
        return run[:0]
    if label.within_frames is None:
        entered = run[int(entries[0]) :]
        counted, is_enough = entered, len(entered) >= label.min_frames
    else:
        counted = run[entries]
        found = _first_of_k_in_n(counted, label.min_frames, label.within_frames)
        entered, is_enough = run[int(entries[found or 0]) :], found is not None
    return entered if is_enough or _holds_all_of_a_group(counted, times) else run[:0]


def _first_of_k_in_n(frames: NDArray[np.intp], k: int, n: int) -> int | None:
    """Where the first k of some rising frame numbers begin that lie within n neighbours."""
    if len(frames) < k:
        return None
    spans = frames[k - 1 :] - frames[: len(frames) - k + 1]
    found = np.flatnonzero(spans < n)
    return int(found[0]) if len(found) else None


def _holds_all_of_a_group(run: NDArray[np.intp], times: FrameTimes) -> bool:
    """Whether all frames are in it that could confirm each other: no more could be asked for."""
    groups, held = np.unique(times.group[run], return_counts=True)
    ends = np.searchsorted(times.group, groups, side="right")
    return bool(np.any(held == ends - np.searchsorted(times.group, groups)))


def _snapped(time_us: int, cuts_us: Times, within_us: int) -> int:
    """The cut that is nearest, where one is near enough."""
    if not len(cuts_us) or not within_us:
        return time_us
    nearest = int(cuts_us[np.abs(cuts_us - time_us).argmin()])
    return nearest if abs(nearest - time_us) <= within_us else time_us


def _segment(
    run: NDArray[np.intp], label: Label, confidences: Confidences, times: FrameTimes
) -> Segment:
    peak = int(run[np.argmax(confidences[run])])
    snap_us = label.snap_ms * 1000
    start_us = _snapped(int(times.starts_us[run[0]]), times.cuts_us, snap_us)
    end_us = _snapped(int(times.ends_us[run[-1]]), times.cuts_us, snap_us)
    return Segment(
        # A border never moves past a frame that the segment is made of.
        start_us=min(start_us, int(times.shown_us[run[0]])),
        end_us=max(end_us, int(times.shown_us[run[-1]])),
        first=int(run[0]),
        last=int(run[-1]),
        peak=peak,
        frames=len(run),
        confidence=float(confidences[peak]),
        mean_confidence=float(confidences[run].mean()),
        members=run,
    )
