"""What truth says of each sampled frame: the material of calibration, heads and curves.

Frames of one scene look alike: whoever splits or resamples them keeps each group together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from clipwarden.truth.model import Judged, Scene, verdict

if TYPE_CHECKING:
    from clipwarden.truth.examination import Examined

POSITIVE: Final = 1
NEGATIVE: Final = 0
IGNORE: Final = -1

_TARGETS: Final = {"positive": POSITIVE, "negative": NEGATIVE, "unknown": IGNORE}


@dataclass(frozen=True, eq=False)
class FrameTruth:
    """What truth says of the frames of one file.

    `targets` is int8 `[frames, labels]`: POSITIVE, NEGATIVE or IGNORE; `scene` is int64
    `[frames]`, rising from one stretch of like truth to the next; `hard` is bool `[frames]`.
    """

    targets: NDArray[np.int8]
    scene: NDArray[np.int64]
    hard: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LabelFrames:
    """All frames of all files that truth says something certain of, for one label.

    `margins` and `confidences` are float32 `[n]`, `targets` bool `[n]`. `groups` (int64 `[n]`)
    numbers the scenes over all files, `media` the files; `hard` marks scenes that a person may
    get wrong, too.
    """

    margins: NDArray[np.float32]
    confidences: NDArray[np.float32]
    targets: NDArray[np.bool_]
    groups: NDArray[np.int64]
    media: NDArray[np.int64]
    hard: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def positives(self) -> int:
        """How many frames show the label."""
        return int(np.count_nonzero(self.targets))


def frame_truth(
    media: Judged, shown_us: NDArray[np.int64], duration_us: int, labels: Sequence[str]
) -> FrameTruth:
    """Judge each frame of a file by the scenes that it is shown in; what is in none is clean.

    A frame less than half a sampling step from a border is ignored for all labels: sampling,
    cuts and fades put what it shows on either side. So is a longer file judged as a whole, for
    the labels it has: which of its frames show them, nobody said.
    """
    shown = np.asarray(shown_us, np.int64)
    if media.is_whole:
        return _whole(media.scenes[0], len(shown), labels)
    borders = _borders(media.scenes, duration_us)
    stretch = np.searchsorted(borders, shown, side="right").astype(np.int64)
    targets = np.empty((len(shown), len(labels)), np.int8)
    hard = np.zeros(len(shown), np.bool_)
    for number in np.unique(stretch):
        rows = stretch == number
        here = _scenes_at(media.scenes, int(shown[rows][0]))
        targets[rows] = _row(here, labels)
        hard[rows] = any(scene.is_hard for scene in here)
    targets[_near(shown, borders)] = IGNORE
    return FrameTruth(targets, stretch, hard)


@dataclass(frozen=True, eq=False)
class JudgedFrames:
    """Scores and truth of one file's frames: float32 `[frames, labels]` beside `truth`."""

    media: int
    margins: NDArray[np.float32]
    confidences: NDArray[np.float32]
    truth: FrameTruth


def judged_frames(examined: Examined, labels: Sequence[str]) -> JudgedFrames:
    """Take what truth speaks of out of a file's scores, which must be there."""
    assert examined.scored is not None
    frames, scores = examined.scored.frames, examined.scored.scores
    columns = [examined.columns[label] for label in labels]
    return JudgedFrames(
        media=examined.media.index,
        margins=scores.margins[:, columns],
        confidences=scores.confidences[:, columns],
        truth=frame_truth(examined.media, frames.shown_us, frames.duration_us, labels),
    )


def frames_by_label(
    examined: Iterable[Examined], labels: Sequence[str]
) -> Mapping[str, LabelFrames]:
    """Gather margins, confidences and truth of all files, for each of the labels.

    `labels` are some of the prompt set's (`JudgedTruth.labels`); files without a result are
    passed over. It keeps scores only: vectors are let go from file to file.
    """
    return join_frames(
        (judged_frames(one, labels) for one in examined if one.scored is not None), labels
    )


def join_frames(files: Iterable[JudgedFrames], labels: Sequence[str]) -> Mapping[str, LabelFrames]:
    """Put the frames of all files together, those that truth is certain of, label by label."""
    parts: dict[str, list[LabelFrames]] = {label: [] for label in labels}
    next_group = 0
    for one in files:
        truth = one.truth
        for column, label in enumerate(labels):
            known = truth.targets[:, column] != IGNORE
            parts[label].append(
                LabelFrames(
                    margins=one.margins[known, column],
                    confidences=one.confidences[known, column],
                    targets=truth.targets[known, column] == POSITIVE,
                    groups=truth.scene[known] + next_group,
                    media=np.full(int(known.sum()), one.media, np.int64),
                    hard=truth.hard[known],
                )
            )
        next_group += int(truth.scene.max(initial=0)) + 1
    return {label: _joined(found) for label, found in parts.items()}


def _whole(scene: Scene, frames: int, labels: Sequence[str]) -> FrameTruth:
    row = _row((scene,), labels)
    if frames > 1:
        row[row == POSITIVE] = IGNORE
    return FrameTruth(
        targets=np.tile(row, (frames, 1)),
        scene=np.zeros(frames, np.int64),
        hard=np.full(frames, scene.is_hard),
    )


def _row(scenes: Sequence[Scene], labels: Sequence[str]) -> NDArray[np.int8]:
    wanted = [one for scene in scenes for one in scene.wanted]
    return np.array([_TARGETS[verdict(wanted, label)] for label in labels], np.int8)


def _borders(scenes: Sequence[Scene], duration_us: int) -> NDArray[np.int64]:
    """Where scenes begin or end; the beginning and the end of the file are no borders."""
    times = {scene.start_us for scene in scenes} | {scene.end_us for scene in scenes}
    inside = sorted(time for time in times if time is not None and 0 < time < duration_us)
    return np.array(inside, np.int64)


def _scenes_at(scenes: Sequence[Scene], time_us: int) -> list[Scene]:
    return [
        scene
        for scene in scenes
        if scene.start_us <= time_us and (scene.end_us is None or time_us < scene.end_us)
    ]


def _near(shown: NDArray[np.int64], borders: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which frames lie less than half a step from a border."""
    if not len(borders) or not len(shown):
        return np.zeros(len(shown), np.bool_)
    half_step_us = float(np.median(np.diff(shown))) / 2 if len(shown) > 1 else 0.0
    after = np.clip(np.searchsorted(borders, shown), 0, len(borders) - 1)
    before = np.clip(after - 1, 0, len(borders) - 1)
    distance_us = np.minimum(np.abs(borders[after] - shown), np.abs(borders[before] - shown))
    near: NDArray[np.bool_] = (distance_us < half_step_us) | (distance_us == 0)
    return near


def _joined(parts: Sequence[LabelFrames]) -> LabelFrames:
    return LabelFrames(
        margins=np.concatenate([np.empty(0, np.float32), *(one.margins for one in parts)]),
        confidences=np.concatenate([np.empty(0, np.float32), *(one.confidences for one in parts)]),
        targets=np.concatenate([np.empty(0, np.bool_), *(one.targets for one in parts)]),
        groups=np.concatenate([np.empty(0, np.int64), *(one.groups for one in parts)]),
        media=np.concatenate([np.empty(0, np.int64), *(one.media for one in parts)]),
        hard=np.concatenate([np.empty(0, np.bool_), *(one.hard for one in parts)]),
    )
