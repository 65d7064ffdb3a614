"""The material of a fit: what a model made of every frame, beside what people say of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clipwarden.truth.examination import Examined
from clipwarden.truth.frames import IGNORE, NEGATIVE, POSITIVE, judged_frames
from clipwarden.truth.model import is_within
from prompts.label import Label, ScoredBy
from prompts.links import Logistic
from worker.segments import FrameTimes

Targets = NDArray[np.int8]

_POOLS: Final[tuple[ScoredBy, ...]] = ("prompts", "head", "classifier")


@dataclass(frozen=True, eq=False)
class Stretch:
    """The rows of one file, `first` up to `end`, and when its frames are shown."""

    name: str
    first: int
    end: int
    times: FrameTimes


@dataclass(frozen=True, eq=False)
class Examples:
    """All frames of all files.

    `log_odds` are those of the model's own links, float64 `[n, labels]`; `targets` is int8
    `[n, labels]`: POSITIVE, NEGATIVE or IGNORE. `groups` numbers the scenes: frames of one show
    the same thing. `pools` has a number per label, the same for labels that are scored in the
    same way (by prompts, by a head, by a classifier).
    """

    labels: tuple[str, ...]
    pools: tuple[int, ...]
    log_odds: NDArray[np.float64]
    targets: Targets
    groups: NDArray[np.int64]
    files: tuple[Stretch, ...] = ()

    def rows(self, chosen: NDArray[np.bool_]) -> Examples:
        """The chosen frames alone; which file they are of is forgotten."""
        return Examples(
            self.labels,
            self.pools,
            self.log_odds[chosen],
            self.targets[chosen],
            self.groups[chosen],
        )

    def shows_any(self) -> NDArray[np.bool_]:
        """Which frames are known to show some label, bool `[n]`."""
        shows: NDArray[np.bool_] = (self.targets == POSITIVE).any(axis=1)
        return shows

    def counts(self, column: int) -> tuple[int, int]:
        """How many positives and negatives a label has."""
        of_label = self.targets[:, column]
        return int(np.sum(of_label == POSITIVE)), int(np.sum(of_label == NEGATIVE))


def gather(
    examined: Iterable[Examined], labels: Sequence[Label], own: Mapping[str, Logistic]
) -> Examples:
    """Collect examples for labels of a prompt set, files in the order of the truth.

    `own` has each label's uncalibrated link. Files without a result are passed over, and vectors
    are let go from file to file.
    """
    ids = tuple(label.id for label in labels)
    parts = sorted(
        (_part(one, ids, own) for one in examined if one.scored is not None),
        key=lambda part: part.index,
    )
    files, first, group = [], 0, 0
    groups = [np.empty(0, np.int64)]
    for part in parts:
        end = first + len(part.log_odds)
        files.append(Stretch(part.name, first, end, part.times))
        groups.append(part.scene + group)
        first, group = end, group + int(part.scene.max(initial=0)) + 1
    width = len(ids)
    return Examples(
        labels=ids,
        pools=tuple(_POOLS.index(label.scored_by) for label in labels),
        log_odds=np.concatenate([np.empty((0, width)), *(part.log_odds for part in parts)]),
        targets=np.concatenate([np.empty((0, width), np.int8), *(one.targets for one in parts)]),
        groups=np.concatenate(groups),
        files=tuple(files),
    )


def attribute(targets: Targets, log_odds: NDArray[np.float64], labels: Sequence[str]) -> Targets:
    """Say of each frame which one label of a family it is that holds there.

    A truth of `weapons` is right where any of its children is found, and says of none that it must
    be; and `weapons` has prompts of its own, for what its children leave out. So of each narrowest
    label that holds, and of those below it, the one with the highest log odds is taken to be it,
    and truth leaves open the others and those above. Labels without relatives stay as they are.
    """
    resolved = targets.copy()
    within = np.array([[is_within(one, root) for one in labels] for root in labels], np.bool_)
    related = within | within.T
    holds = targets == POSITIVE
    below = within & ~np.eye(len(labels), dtype=np.bool_)
    narrowest = {
        column: np.flatnonzero(holds[:, column] & ~holds[:, below[column]].any(axis=1))
        for column in np.flatnonzero(below.any(axis=0) | below.any(axis=1))
    }
    for column, frames in narrowest.items():
        resolved[np.ix_(frames, np.flatnonzero(related[column]))] = IGNORE
    # Only now: what one family leaves open another one may have found.
    for column, frames in narrowest.items():
        family = np.flatnonzero(within[column])
        best = family[np.argmax(log_odds[np.ix_(frames, family)], axis=1)]
        resolved[frames, best] = POSITIVE
    return resolved


@dataclass(frozen=True, eq=False)
class _Part:
    index: int
    name: str
    log_odds: NDArray[np.float64]
    targets: Targets
    scene: NDArray[np.int64]
    times: FrameTimes


def _part(one: Examined, labels: Sequence[str], own: Mapping[str, Logistic]) -> _Part:
    assert one.scored is not None
    judged = judged_frames(one, labels)
    scales = np.array([own[label].scale for label in labels])
    biases = np.array([own[label].bias for label in labels])
    log_odds = scales * (judged.margins.astype(np.float64) - biases)
    return _Part(
        index=one.media.index,
        name=one.media.name,
        log_odds=log_odds,
        targets=attribute(judged.truth.targets, log_odds, labels),
        scene=judged.truth.scene,
        times=one.scored.times,
    )
