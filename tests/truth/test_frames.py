"""What truth says of single frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clipwarden.truth.frames import (
    IGNORE,
    NEGATIVE,
    POSITIVE,
    JudgedFrames,
    frame_truth,
    join_frames,
)
from clipwarden.truth.model import Judged, Scene, Wanted

LABELS = ("cat", "cat.kitten", "dog")
S = 1_000_000


def scene(start_s: float, end_s: float | None, *labels: str, hard: bool = False) -> Scene:
    wanted = tuple(Wanted(label, (label,)) for label in labels)
    end_us = None if end_s is None else round(end_s * S)
    return Scene(round(start_s * S), end_us, wanted, hard, None)


def media(*scenes: Scene, whole: bool = False, index: int = 0) -> Judged:
    return Judged(index, f"{index}.mp4", Path(f"{index}.mp4"), scenes, whole)


def times(*seconds: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([round(one * S) for one in seconds], np.int64)


def test_frames_are_judged_by_the_scenes_they_are_strictly_inside_of() -> None:
    truth = frame_truth(
        media(scene(0, 2, "cat"), scene(2, 4)), times(0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5), 4 * S, LABELS
    )
    cat = truth.targets[:, 0]
    assert cat.tolist() == [POSITIVE] * 4 + [IGNORE] + [NEGATIVE] * 3
    assert truth.targets[:, 2].tolist() == [NEGATIVE] * 4 + [IGNORE] + [NEGATIVE] * 3
    assert truth.scene.tolist() == [0] * 4 + [1] * 4
    assert not truth.hard.any()


def test_frames_within_half_a_step_of_a_border_are_ignored() -> None:
    truth = frame_truth(
        media(scene(0, 1.7, "cat"), scene(1.7, 4)), times(0, 0.5, 1, 1.5, 2, 2.5), 4 * S, LABELS
    )
    assert truth.targets[:, 0].tolist() == [1, 1, 1, IGNORE, 0, 0]


def test_what_lies_in_no_scene_has_nothing_to_flag() -> None:
    truth = frame_truth(media(scene(2, 4, "dog")), times(0, 1, 3, 5, 6), 7 * S, LABELS)
    assert truth.targets[:, 2].tolist() == [0, 0, 1, 0, 0]
    assert truth.scene.tolist() == [0, 0, 1, 2, 2]


def test_of_overlapping_scenes_all_labels_hold() -> None:
    found = media(scene(0, 6, "cat"), scene(2, 10, "dog", hard=True))
    truth = frame_truth(found, times(0, 1, 4, 5, 8, 9), 10 * S, LABELS)
    assert truth.targets[:, [0, 2]].tolist() == [[1, 0], [1, 0], [1, 1], [1, 1], [0, 1], [0, 1]]
    assert truth.hard.tolist() == [False, False, True, True, True, True]


def test_a_wider_truth_says_nothing_certain_of_what_is_below_it() -> None:
    wide = frame_truth(media(scene(0, None, "cat"), whole=True), times(0), S, LABELS)
    assert wide.targets.tolist() == [[POSITIVE, IGNORE, NEGATIVE]]
    narrow = frame_truth(media(scene(0, None, "cat.kitten"), whole=True), times(0), S, LABELS)
    assert narrow.targets.tolist() == [[POSITIVE, POSITIVE, NEGATIVE]]


def test_of_a_video_judged_as_a_whole_only_what_it_lacks_is_certain() -> None:
    truth = frame_truth(media(scene(0, None, "dog"), whole=True), times(0, 1, 2), 3 * S, LABELS)
    assert truth.targets.tolist() == [[NEGATIVE, NEGATIVE, IGNORE]] * 3


def test_the_first_and_the_last_frame_of_a_file_are_near_no_border() -> None:
    truth = frame_truth(media(scene(0, 3, "cat")), times(0, 1, 2, 2.9), 3 * S, LABELS)
    assert truth.targets[:, 0].tolist() == [1, 1, 1, 1]


def test_frames_of_files_are_joined_with_scenes_and_files_told_apart() -> None:
    first = frame_truth(media(scene(0, 2, "cat"), scene(2, 4)), times(0.5, 1, 2, 3), 4 * S, LABELS)
    second = frame_truth(media(scene(0, None, "cat"), whole=True, index=5), times(0), S, LABELS)
    parts = [
        JudgedFrames(0, np.full((4, 3), 0.25, np.float32), np.full((4, 3), 0.5, np.float32), first),
        JudgedFrames(5, np.full((1, 3), 0.5, np.float32), np.full((1, 3), 0.9, np.float32), second),
    ]
    joined = join_frames(parts, LABELS)
    cat, kitten = joined["cat"], joined["cat.kitten"]
    assert cat.targets.tolist() == [True, True, False, True]
    assert cat.groups.tolist() == [0, 0, 1, 2]
    assert cat.media.tolist() == [0, 0, 0, 5]
    assert cat.confidences.tolist() == pytest.approx([0.5, 0.5, 0.5, 0.9])
    assert cat.margins.tolist() == [0.25, 0.25, 0.25, 0.5]
    assert (len(cat), cat.positives) == (4, 3)
    assert kitten.targets.tolist() == [False]


def test_no_file_gives_no_frames() -> None:
    assert [len(one) for one in join_frames([], LABELS).values()] == [0, 0, 0]
