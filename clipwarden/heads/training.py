"""Train a head, and say what it is worth on examples that it has not seen."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from clipwarden.heads.errors import TooFewHeadExamples

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

MIN_EXAMPLES: Final = 8
"""Of each kind, near duplicates counted once: fewer tell of single pictures."""

_FOLDS: Final = 5
_INNER_FOLDS: Final = 3
_SEED: Final = 0
_STRENGTHS: Final = (0.1, 1.0, 10.0, 100.0)
"""Inverse strengths of regularisation to choose from."""

Vectors = NDArray[np.float32]
Truths = NDArray[np.bool_]
Groups = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Examples:
    """What is learnt from: unit vectors `[n, d]`, whether each shows the label, and its group."""

    vectors: Vectors
    shows: Truths
    groups: Groups

    def rows(self, chosen: NDArray[np.intp]) -> Examples:
        """The chosen examples alone."""
        return Examples(self.vectors[chosen], self.shows[chosen], self.groups[chosen])

    def different(self, shows: bool) -> int:
        """How many groups have examples of a kind."""
        return len(np.unique(self.groups[self.shows == shows]))

    def contradictions(self) -> int:
        """How many groups have examples of both kinds."""
        return len(np.intersect1d(self.groups[self.shows], self.groups[~self.shows]))


@dataclass(frozen=True, eq=False)
class Trained:
    """A head: `weights` float64 `[d]` and `bias`; `held_out` are logits `[n]` of unseen examples.

    Each of those is by a head that was trained, its strength chosen, without the example's group.
    """

    weights: Values
    bias: float
    strength: float
    held_out: Values
    folds: int


def train(examples: Examples) -> Trained:
    """Fit a logistic regression, both kinds weighing the same; raises TooFewHeadExamples."""
    _require_enough(examples)
    folds = _folds_of(examples, _FOLDS)
    held_out = np.zeros(len(examples.shows))
    for learn, test in folds:
        part = examples.rows(learn)
        model = _fitted(part, _strength(part))
        held_out[test] = model.decision_function(examples.vectors[test].astype(np.float64))
    strength = _strength(examples)
    model = _fitted(examples, strength)
    return Trained(
        weights=np.asarray(model.coef_[0], np.float64),
        bias=float(model.intercept_[0]),
        strength=strength,
        held_out=held_out,
        folds=len(folds),
    )


def _require_enough(examples: Examples) -> None:
    for shows, words in ((True, "show"), (False, "don't show")):
        different = examples.different(shows)
        if different < MIN_EXAMPLES:
            count = int(np.sum(examples.shows == shows))
            copies = f" of {count}, the others being near duplicates" if count > different else ""
            raise TooFewHeadExamples(
                f"{different} different examples{copies} {words} the label; {MIN_EXAMPLES} of each "
                "kind are needed.",
                "Add some, of many scenes: a few dozen of each make a useful head. Until then, "
                "write prompts for the label.",
            )


def _folds_of(examples: Examples, most: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """What to learn from and what to hold out, time after time; groups stay together."""
    # Not needed for anything else, and slow to import.
    from sklearn.model_selection import StratifiedGroupKFold

    fewest = min(examples.different(True), examples.different(False))
    count = min(most, fewest)
    if count < 2:
        return []
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=_SEED)
    with warnings.catch_warnings():
        # Told when a group is larger than a fold; then folds are uneven, no more.
        warnings.simplefilter("ignore", UserWarning)
        found = splitter.split(examples.vectors, examples.shows, examples.groups)
        return [
            (learn, test)
            for learn, test in found
            if len(test) and 0 < examples.shows[learn].sum() < len(learn)
        ]


def _strength(examples: Examples) -> float:
    """The strength with the lowest balanced log loss on held-out groups, the weaker of equals."""
    folds = _folds_of(examples, _INNER_FOLDS)
    if not folds:
        return 1.0
    losses = [
        np.mean(
            [_loss(_fitted(examples.rows(learn), c), examples.rows(test)) for learn, test in folds]
        )
        for c in _STRENGTHS
    ]
    return _STRENGTHS[int(np.argmin(losses))]


def _loss(model: LogisticRegression, test: Examples) -> float:
    logits = model.decision_function(test.vectors.astype(np.float64))
    losses = np.logaddexp(0.0, np.where(test.shows, -logits, logits))
    return float(np.mean([losses[test.shows == kind].mean() for kind in np.unique(test.shows)]))


def _fitted(examples: Examples, strength: float) -> LogisticRegression:
    # Not needed for anything else, and slow to import.
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
    return model.fit(examples.vectors.astype(np.float64), examples.shows)
