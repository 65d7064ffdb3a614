"""Fit one link: from the model's own log odds to confidences that come true as often as they say.

Everything here works on the log odds of the model's own link (`scale * (margin - bias)`), not on
margins: labels that are scored in different ways can then be fitted together, and "as the model
has it" is the straight line through zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from prompts.links import Isotonic, Link, Logistic

Values = NDArray[np.float64]
Truths = NDArray[np.bool_]
Kind = Literal["own", "platt", "isotonic"]

IDENTITY: Final = Logistic(scale=1.0, bias=0.0)
"""The model's own link, on its own log odds."""

MAX_POINTS: Final = 1024
"""Neighbouring log odds are put together beyond this: fits see 1e5 frames as quickly as 1e3."""

_SURE: Final = 40.0
"""Log odds beyond which the model's own opinion is 0 or 1 to all that a float32 can tell."""

_FLATTEST: Final = 1e-3
_WEAK: Final = 1e6
"""The inverse strength of scikit-learn's regularisation: next to none."""


@dataclass(frozen=True, eq=False)
class Tally:
    """Examples by rising log odds: `points` float64 `[n]`, all different, and how many of each."""

    points: Values
    positives: Values
    negatives: Values

    @classmethod
    def of(cls, log_odds: Values, targets: Truths) -> Tally:
        """Count examples, both `[n]`; beyond `MAX_POINTS` neighbours share their mean."""
        points, number = np.unique(log_odds, return_inverse=True)
        if len(points) > MAX_POINTS:
            # By rank, so that where examples are dense, points are, too. The rare ones at the top,
            # which decide on confidences near 1, keep points of their own.
            rare = len(points) - MAX_POINTS // 2
            place = np.arange(len(points))
            place[:rare] = place[:rare] * (MAX_POINTS // 2) // rare
            place[rare:] += MAX_POINTS // 2 - rare
            number = place[number]
        total = np.bincount(number).astype(np.float64)
        positives = np.bincount(number, weights=targets).astype(np.float64)
        return cls(np.bincount(number, weights=log_odds) / total, positives, total - positives)

    @property
    def count(self) -> int:
        """How many examples there are."""
        return int(self.positives.sum() + self.negatives.sum())


def fit_platt(tally: Tally) -> Logistic:
    """Fit a logistic curve (Platt 1999), with his targets: never wholly sure of few examples.

    Where the curve would fall, one that is as good as level stands for it: these log odds say
    nothing about the label, and a link must not turn their order round.
    """
    # Not needed for anything else, and slow to import.
    from sklearn.linear_model import LogisticRegression

    positives, negatives = tally.positives.sum(), tally.negatives.sum()
    sure_positive = (positives + 1) / (positives + 2)
    sure_negative = 1 / (negatives + 2)
    share = tally.positives * sure_positive + tally.negatives * sure_negative
    rest = tally.positives + tally.negatives - share
    level = float(np.log(share.sum() / rest.sum()))
    if len(tally.points) == 1:
        return Logistic(scale=_FLATTEST, bias=float(tally.points[0]) - level / _FLATTEST)
    centre, spread = float(tally.points.mean()), float(np.std(tally.points))
    points = ((tally.points - centre) / spread)[:, None]
    model = LogisticRegression(C=_WEAK, solver="newton-cholesky", max_iter=200)
    model.fit(
        np.concatenate([points, points]),
        np.repeat([1, 0], len(points)),
        sample_weight=np.concatenate([share, rest]),
    )
    scale, intercept = float(model.coef_[0, 0]) / spread, float(model.intercept_[0])
    if scale < _FLATTEST:
        scale, intercept = _FLATTEST, level
    return Logistic(scale=scale, bias=centre - intercept / scale)


def fit_isotonic(tally: Tally) -> Isotonic:
    """Fit rising steps (Zadrozny and Elkan 2002) to examples and to the model's own opinion.

    That opinion is one example at every whole log odds in the examples' range. Where they are
    dense it counts nothing; where there are none it stands, and it keeps steps that hold a few of
    them off 0 and 1, which nothing could take back.
    """
    # Not needed for anything else, and slow to import.
    from sklearn.isotonic import IsotonicRegression

    low, high = np.clip(tally.points[[0, -1]], -_SURE, _SURE)
    opinions = np.arange(np.floor(low), np.ceil(high) + 1)
    points = np.concatenate([tally.points, opinions])
    weights = np.concatenate([tally.positives + tally.negatives, np.ones(len(opinions))])
    rates = np.concatenate([tally.positives, _sigmoid(opinions)]) / weights
    order = np.argsort(points, kind="stable")
    steps = IsotonicRegression(y_min=0.0, y_max=1.0)
    steps.fit(points[order], rates[order], sample_weight=weights[order])
    return _knots(
        np.asarray(steps.X_thresholds_, np.float64), np.asarray(steps.y_thresholds_, np.float64)
    )


def fit_kind(kind: Kind, tally: Tally) -> Link:
    """Fit a link of one kind on the log odds of the model's own."""
    match kind:
        case "own":
            return IDENTITY
        case "platt":
            return fit_platt(tally)
        case "isotonic":
            return fit_isotonic(tally)


def on_margins(link: Link, own: Logistic) -> Link:
    """Turn a link on log odds into one on the margins that `own` makes these log odds of."""
    if isinstance(link, Logistic):
        scale = link.scale * own.scale
        return Logistic(scale=scale, bias=own.bias + link.bias / own.scale)
    margins = np.array(link.margins) / own.scale + own.bias
    # Two knots can fall together by rounding.
    kept = np.append(True, np.diff(margins) > 0)
    levels = np.array(link.levels)[kept]
    return Isotonic(margins=tuple(margins[kept].tolist()), levels=tuple(levels.tolist()))


def with_prior(link: Link, fitted_rate: float, rate: float) -> Link:
    """Move a link from the rate of positives it was fitted at to another; both in 0..1, open.

    The log odds move by the difference of the rates' (Saerens et al. 2002): what the label looks
    like stays the same, only how often it comes is different.
    """
    shift = log_odds_shift(fitted_rate, rate)
    if isinstance(link, Logistic):
        return Logistic(scale=link.scale, bias=link.bias - shift / link.scale)
    moved = shifted(np.array(link.levels), shift)
    return Isotonic(margins=link.margins, levels=tuple(moved.tolist()))


def log_odds_shift(fitted_rate: float, rate: float) -> float:
    """How far log odds move from one rate of positives to another; both in 0..1, open."""
    return float(np.log(rate / (1 - rate)) - np.log(fitted_rate / (1 - fitted_rate)))


def shifted(confidences: Values, shift: float) -> Values:
    """Move confidences by log odds."""
    inside = np.clip(confidences, 1e-9, 1 - 1e-9)
    return _sigmoid(np.log(inside / (1 - inside)) + shift)


def confidences_of(link: Link, log_odds: Values) -> Values:
    """What a link on log odds makes of them, in float64."""
    return link.confidences(log_odds.astype(np.float32)).astype(np.float64)


def _knots(points: Values, levels: Values) -> Isotonic:
    """Keep the first and the last point of each step: between them the link runs straight."""
    changes = np.diff(levels) > 0
    kept = np.append(True, changes) | np.append(changes, True)
    return Isotonic(margins=tuple(points[kept].tolist()), levels=tuple(levels[kept].tolist()))


def _sigmoid(log_odds: Values) -> Values:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds)), np.float64)
