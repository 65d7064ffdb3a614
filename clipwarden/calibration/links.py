"""One link per label: its own where it has examples enough, else one that many labels share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from clipwarden.calibration.examples import Examples
from clipwarden.calibration.fit import (
    IDENTITY,
    Kind,
    Tally,
    Truths,
    Values,
    confidences_of,
    fit_kind,
)
from clipwarden.calibration.folds import FOLDS, group_folds
from clipwarden.calibration.reliability import log_loss
from clipwarden.truth.frames import IGNORE, NEGATIVE, POSITIVE
from prompts.links import Link

Method = Literal["auto", "platt", "isotonic"]

MIN_POSITIVES: Final = 5
MIN_SCENES: Final = 3
"""Positive frames, and scenes they are of: below, a curve would tell of single pictures."""

MIN_SHARED_POSITIVES: Final = 3
"""Fewer do for what labels share: it is mostly their negatives that it learns from."""

_OUTER_SEED: Final = 1

_CANDIDATES: Final[dict[Method, tuple[Kind, ...]]] = {
    # The simpler comes first, and is taken where they are equal.
    "auto": ("own", "platt", "isotonic"),
    "platt": ("platt",),
    "isotonic": ("isotonic",),
}


@dataclass(frozen=True)
class Fitted:
    """A label's link on the log odds of the model's own.

    `rate` is the part of its examples that were positive, which the link has taken for how often
    that is; `is_shared` where these were all labels' of a pool.
    """

    link: Link
    kind: Kind
    is_shared: bool
    rate: float


@dataclass(frozen=True, eq=False)
class _Shared:
    """What a pool's labels share, and what it says of each frame when that is held out."""

    fitted: Fitted
    held_out: Values


def fit_links(examples: Examples, method: Method, *, share: bool) -> list[Fitted | None]:
    """Fit a link for each label; None where examples are too few, and nothing is shared.

    A label needs `MIN_POSITIVES` positive frames of `MIN_SCENES` scenes for a link of its own, and
    as many negative ones. With `auto` the lowest log loss on held-out scenes decides between the
    model's own link, Platt's, isotonic steps, and the shared one.
    """
    fold = group_folds(examples.groups, examples.shows_any())
    pools = {number: _shared(examples, number, method, fold) for number in set(examples.pools)}
    fits: list[Fitted | None] = []
    for column, number in enumerate(examples.pools):
        shared = pools[number] if share else None
        fits.append(_of_label(examples, column, method, fold, shared))
    return fits


def outer_folds(examples: Examples) -> NDArray[np.intp]:
    """The parts that `held_out_confidences` holds out, a number for each frame."""
    return group_folds(examples.groups, examples.shows_any(), seed=_OUTER_SEED)


def held_out_confidences(examples: Examples, method: Method, *, share: bool) -> Values:
    """Say of each frame what links say that were fitted without its scene, float64 `[n, labels]`.

    The whole fit is repeated for each part that is held out, the choice of its kind included.
    """
    fold = outer_folds(examples)
    confidences = own_confidences(examples)
    for number in range(FOLDS):
        is_out = fold == number
        if not is_out.any():
            continue
        fits = fit_links(examples.rows(~is_out), method, share=share)
        for column, fitted in enumerate(fits):
            if fitted is not None:
                log_odds = examples.log_odds[is_out, column]
                confidences[is_out, column] = confidences_of(fitted.link, log_odds)
    return confidences


def own_confidences(examples: Examples) -> Values:
    """What the model's own links say, float64 `[n, labels]`."""
    return confidences_of(IDENTITY, examples.log_odds)


def is_enough(
    targets: NDArray[np.int8], groups: NDArray[np.int64], least: int = MIN_POSITIVES
) -> bool:
    """Whether something can be fitted: targets are `[n]` or `[n, labels]`, groups `[n]`."""
    positive = targets == POSITIVE
    shows = positive if positive.ndim == 1 else positive.any(axis=1)
    positives, negatives = np.count_nonzero(positive), np.count_nonzero(targets == NEGATIVE)
    scenes = len(np.unique(groups[shows]))
    return min(int(positives), int(negatives)) >= least and scenes >= MIN_SCENES


def _shared(
    examples: Examples, number: int, method: Method, fold: NDArray[np.intp]
) -> _Shared | None:
    columns = np.flatnonzero(np.array(examples.pools) == number)
    targets = examples.targets[:, columns]
    if not is_enough(targets, examples.groups, MIN_SHARED_POSITIVES):
        return None
    # The examples one below the other, each with its frame's fold.
    known = targets != IGNORE
    log_odds, truths = examples.log_odds[:, columns][known], (targets == POSITIVE)[known]
    folds = np.broadcast_to(fold[:, None], targets.shape)[known]
    kind, held_out = _best(log_odds, truths, folds, _CANDIDATES[method])
    whole = np.full(examples.log_odds.shape, np.nan)
    place = np.zeros(whole.shape, np.bool_)
    place[:, columns] = known
    whole[place] = held_out
    return _Shared(_fitted(kind, log_odds, truths, is_shared=True), whole)


def _of_label(
    examples: Examples,
    column: int,
    method: Method,
    fold: NDArray[np.intp],
    shared: _Shared | None,
) -> Fitted | None:
    targets = examples.targets[:, column]
    if not is_enough(targets, examples.groups):
        return None if shared is None else shared.fitted
    known = targets != IGNORE
    log_odds, truths = examples.log_odds[known, column], targets[known] == POSITIVE
    kind, held_out = _best(log_odds, truths, fold[known], _CANDIDATES[method])
    if method == "auto" and shared is not None:
        by_shared = log_loss(shared.held_out[known, column], truths)
        if by_shared <= log_loss(held_out, truths):
            return shared.fitted
    return _fitted(kind, log_odds, truths, is_shared=False)


def _best(
    log_odds: Values, truths: Truths, fold: NDArray[np.intp], candidates: Sequence[Kind]
) -> tuple[Kind, Values]:
    """The kind with the lowest log loss on what is held out, and what it says there."""
    said = {kind: _held_out(kind, log_odds, truths, fold) for kind in candidates}
    best = min(said, key=lambda kind: log_loss(said[kind], truths))
    return best, said[best]


def _held_out(kind: Kind, log_odds: Values, truths: Truths, fold: NDArray[np.intp]) -> Values:
    said = np.empty(len(log_odds))
    for number in np.unique(fold):
        is_out = fold == number
        # All may be of one fold: then nothing is left to learn from.
        rest = kind if not is_out.all() else "own"
        link = fit_kind(rest, Tally.of(log_odds[~is_out], truths[~is_out]))
        said[is_out] = confidences_of(link, log_odds[is_out])
    return said


def _fitted(kind: Kind, log_odds: Values, truths: Truths, *, is_shared: bool) -> Fitted:
    link = fit_kind(kind, Tally.of(log_odds, truths))
    return Fitted(link, kind, is_shared=is_shared, rate=float(truths.mean()))
