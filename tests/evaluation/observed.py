"""Files as they might have been found, without a model: segments and scores written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from clipwarden.evaluation.observation import Found, Observed
from clipwarden.truth.frames import JudgedFrames, frame_truth
from clipwarden.truth.model import Judged, Scene, Wanted

S = 1_000_000
LABELS = ("cat", "cat.kitten", "dog")

Span = tuple[float, float, str]


def scene(start_s: float, end_s: float | None, *tags: str, hard: bool = False) -> Scene:
    """A scene in seconds, its words being labels; `cat/dog` is either."""
    wanted = tuple(Wanted(tag, tuple(tag.split("/"))) for tag in tags)
    end_us = None if end_s is None else round(end_s * S)
    return Scene(round(start_s * S), end_us, wanted, hard, None)


def video(
    scenes: Sequence[Scene],
    found: Sequence[Span] = (),
    *,
    index: int = 0,
    length_s: float = 10.0,
    scores: Mapping[str, Sequence[float]] | None = None,
) -> Observed:
    """A video sampled twice a second; without `scores` a frame has 0.9 in segments, else 0.1."""
    return _observed(scenes, found, index, length_s, False, scores)


def picture(
    tags: Sequence[str],
    found: Sequence[str] = (),
    *,
    index: int = 0,
    hard: bool = False,
    scores: Mapping[str, float] | None = None,
) -> Observed:
    """A picture with labels, and those found in it."""
    scenes = [scene(0, None, *tags, hard=hard)]
    spans = [(0.0, 0.04, label) for label in found]
    given = None if scores is None else {label: [one] for label, one in scores.items()}
    return _observed(scenes, spans, index, 0.04, True, given)


def whole_video(
    tags: Sequence[str], found: Sequence[Span] = (), *, index: int = 0, length_s: float = 10.0
) -> Observed:
    """A video that is judged as a whole."""
    return _observed([scene(0, None, *tags)], found, index, length_s, True, None)


def _observed(
    scenes: Sequence[Scene],
    found: Sequence[Span],
    index: int,
    length_s: float,
    is_whole: bool,
    scores: Mapping[str, Sequence[float]] | None,
) -> Observed:
    media = Judged(index, f"{index}.mp4", Path(f"{index}.mp4"), tuple(scenes), is_whole)
    shown_us = np.arange(0, length_s * S, S // 2).astype(np.int64)
    confidences = np.full((len(shown_us), len(LABELS)), 0.1, np.float32)
    segments = tuple(Found(name, round(a * S), round(b * S), 0.9) for a, b, name in found)
    for one in segments:
        inside = (shown_us >= one.start_us) & (shown_us < one.end_us)
        confidences[inside, LABELS.index(one.label)] = 0.9
    for label, given in (scores or {}).items():
        confidences[:, LABELS.index(label)] = given
    duration_us = round(length_s * S)
    return Observed(
        media=media,
        duration_us=duration_us,
        shown_us=shown_us,
        frames=JudgedFrames(
            media=index,
            margins=confidences - 0.5,
            confidences=confidences,
            truth=frame_truth(media, shown_us, duration_us, LABELS),
        ),
        found=tuple(sorted(segments, key=lambda one: (one.start_us, one.label))),
    )
