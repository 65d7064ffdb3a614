"""Links fitted to examples whose true link is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipwarden.calibration.fit import (
    MAX_POINTS,
    Kind,
    Tally,
    confidences_of,
    fit_isotonic,
    fit_kind,
    fit_platt,
    on_margins,
    with_prior,
)
from prompts.links import Isotonic, Logistic
from tests.calibration.drawn import drawn_examples, sigmoid


def tally_of(frames: int, seed: int = 5) -> Tally:
    examples = drawn_examples(frames, seed=seed)
    return Tally.of(examples.log_odds[:, 0], examples.targets[:, 0] == 1)


def test_platt_recovers_the_curve_that_examples_were_drawn_from() -> None:
    link = fit_platt(tally_of(40_000))
    assert link.scale == pytest.approx(0.4, rel=0.05)
    assert link.bias == pytest.approx(3.0, abs=0.2)


def test_isotonic_comes_near_any_rising_curve() -> None:
    link = fit_isotonic(tally_of(40_000))
    points = np.linspace(-8, 8, 50)
    assert np.abs(confidences_of(link, points) - sigmoid(0.4 * (points - 3))).max() < 0.08


def test_a_curve_that_would_fall_is_level_instead() -> None:
    points = np.linspace(-3, 3, 200)
    link = fit_platt(Tally.of(points, points < 0))
    confidences = confidences_of(link, points)
    assert np.ptp(confidences) < 0.01
    assert confidences.mean() == pytest.approx(0.5, abs=0.02)


def test_a_few_sure_examples_make_nobody_wholly_sure() -> None:
    points = np.array([-9.0, -8.0, -7.0, 6.0, 7.0, 8.0])
    for kind in ("platt", "isotonic"):
        confidences = confidences_of(fit_kind(kind, Tally.of(points, points > 0)), points)
        assert 0 < confidences.min() < 0.3
        assert 0.7 < confidences.max() < 1


def test_where_there_are_no_examples_isotonic_keeps_the_models_own_opinion() -> None:
    points = np.concatenate([np.full(500, -20.0), np.full(500, 20.0)])
    link = fit_isotonic(Tally.of(points, points > 0))
    between = np.array([-2.0, 0.0, 2.0])
    assert confidences_of(link, between) == pytest.approx(sigmoid(between), abs=0.02)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(-200, 200, allow_nan=False), st.booleans()), min_size=1, max_size=60
    ),
    st.sampled_from(["own", "platt", "isotonic"]),
)
def test_every_link_rises_and_stays_within_0_and_1(
    pairs: list[tuple[float, bool]], kind: Kind
) -> None:
    points, truths = np.array([one for one, _ in pairs]), np.array([one for _, one in pairs])
    link = fit_kind(kind, Tally.of(points, truths))
    own = Logistic(scale=50.0, bias=0.04)
    confidences = on_margins(link, own).confidences(np.linspace(-2, 2, 400, dtype=np.float32))
    assert np.all(np.diff(confidences) >= 0)
    assert confidences.min() >= 0
    assert confidences.max() <= 1


@pytest.mark.parametrize("kind", ["own", "platt", "isotonic"])
def test_a_link_on_margins_says_what_it_said_on_log_odds(kind: Kind) -> None:
    link = fit_kind(kind, tally_of(3000))
    own = Logistic(scale=50.0, bias=0.04)
    margins = np.linspace(-0.3, 0.3, 101)
    expected = confidences_of(link, own.scale * (margins - own.bias))
    found = on_margins(link, own).confidences(margins.astype(np.float32))
    assert found == pytest.approx(expected, abs=1e-4)


def test_more_points_than_a_fit_needs_are_put_together_and_no_example_is_lost() -> None:
    examples = drawn_examples(20_000)
    shows = examples.targets[:, 0] == 1
    tally = Tally.of(examples.log_odds[:, 0], shows)
    assert len(tally.points) == MAX_POINTS
    assert tally.count == 20_000
    assert tally.positives.sum() == shows.sum()
    assert np.all(np.diff(tally.points) > 0)


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_a_prior_moves_the_rate_that_is_expected(kind: str) -> None:
    examples = drawn_examples(30_000)
    log_odds, shows = examples.log_odds[:, 0], examples.targets[:, 0] == 1
    tally = Tally.of(log_odds, shows)
    link = fit_platt(tally) if kind == "platt" else fit_isotonic(tally)
    # Rarer by leaving out nine in ten of those that show it.
    kept = ~shows | (np.random.default_rng(0).random(len(shows)) < 0.1)
    rarer = with_prior(link, float(shows.mean()), float(shows[kept].mean()))
    assert confidences_of(rarer, log_odds[kept]).mean() == pytest.approx(
        shows[kept].mean(), rel=0.1
    )
    assert isinstance(rarer, Logistic if kind == "platt" else Isotonic)
