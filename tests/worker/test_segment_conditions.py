"""What a label may ask of its segments besides: k of n frames, a length, borders at cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from prompts.label import Label
from worker.segments import FrameTimes, cut_segments

STEP_US = 500_000


def label(**conditions: Any) -> Label:
    plain = {"id": "thing", "prompts": ("a thing",), "exit_threshold": 0.25, "max_gap_ms": 0}
    return Label.model_validate(plain | conditions)


def cut(one: Label, confidences: Sequence[float]) -> list[tuple[int, int, int]]:
    """Start and end in milliseconds, and frames, of each segment."""
    shown_us = np.arange(len(confidences), dtype=np.int64) * STEP_US
    times = FrameTimes.of(shown_us, len(confidences) * STEP_US)
    return [
        (found.start_us // 1000, found.end_us // 1000, found.frames)
        for found in cut_segments(one, np.array(confidences, np.float32), times)
    ]


@pytest.mark.parametrize(
    ("confidences", "expected"),
    [
        # Two of three reach the threshold: it begins at the first of the two.
        ([0.9, 0.1, 0.9, 0.4, 0.1], [(0, 2000, 3)]),
        # One that stands alone does not count, however long the rest goes on.
        ([0.9, 0.4, 0.4, 0.4, 0.4], []),
        ([0.9, 0.4, 0.4, 0.9, 0.9], [(1500, 2500, 2)]),
        ([0.9, 0.4, 0.4, 0.9, 0.4], []),
    ],
)
def test_k_of_n_neighbours_must_reach_the_threshold(
    confidences: list[float], expected: list[tuple[int, int, int]]
) -> None:
    asked = label(min_frames=2, within_frames=3, max_gap_ms=500)
    assert cut(asked, confidences) == expected


def test_a_still_image_is_found_whatever_k_of_n_asks_for() -> None:
    assert len(cut(label(min_frames=2, within_frames=3), [0.9])) == 1


@pytest.mark.parametrize(("min_duration_ms", "found"), [(0, 1), (1000, 1), (1001, 0)])
def test_a_segment_must_last(min_duration_ms: int, found: int) -> None:
    asked = label(min_frames=1, min_duration_ms=min_duration_ms)
    assert len(cut(asked, [0.1, 0.9, 0.9, 0.1])) == found


def test_no_segment_must_last_longer_than_its_video() -> None:
    assert len(cut(label(min_frames=1, min_duration_ms=60_000), [0.9, 0.9])) == 1
    assert len(cut(label(min_frames=1, min_duration_ms=60_000), [0.9, 0.1])) == 0


@pytest.mark.parametrize(
    ("snap_ms", "expected"),
    # Frames at 0, 0.5, ... 3.5 s, cuts at 0.7 and 2.9 s; the label holds from 1.0 to 2.5 s.
    [(0, (1000, 2500)), (200, (1000, 2500)), (300, (700, 2500)), (400, (700, 2900))],
)
def test_borders_move_to_a_cut_that_is_near_enough(snap_ms: int, expected: tuple[int, int]) -> None:
    shown_us = np.arange(8, dtype=np.int64) * 500_000
    times = FrameTimes.of(shown_us, 4_000_000)
    times = replace(times, cuts_us=np.array([700_000, 2_900_000], np.int64))
    confidences = np.array([0.1, 0.1, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1], np.float32)
    (found,) = cut_segments(label(snap_ms=snap_ms), confidences, times)
    assert (found.start_us // 1000, found.end_us // 1000) == expected


def test_a_border_never_moves_past_a_frame_of_its_segment() -> None:
    shown_us = np.arange(4, dtype=np.int64) * 500_000
    times = replace(FrameTimes.of(shown_us, 2_000_000), cuts_us=np.array([800_000], np.int64))
    confidences = np.array([0.1, 0.9, 0.9, 0.1], np.float32)
    (found,) = cut_segments(label(snap_ms=5000), confidences, times)
    assert (found.start_us, found.end_us) == (500_000, 1_000_000)
