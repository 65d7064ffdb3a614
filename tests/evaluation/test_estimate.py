"""Figures and their intervals, against ones worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clipwarden.evaluation.estimate import (
    Estimate,
    Resampling,
    f1,
    median,
    proportion,
    rate,
    ratio,
    regroup,
)


def array(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, np.float64)


def test_a_share_is_hits_over_cases_with_an_interval_around_it() -> None:
    found = proportion(array(1, 1, 0, 1), array(1, 1, 1, 1), Resampling.of(4))
    assert (found.value, found.n) == (0.75, 4)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low < 0.75 < found.high <= 1


def test_the_interval_of_a_share_is_that_of_the_bootstrap() -> None:
    random = np.random.default_rng(3)
    hits = (random.random(400) < 0.3).astype(float)
    found = proportion(hits, np.ones(400), Resampling.of(400))
    share = hits.mean()
    half = 1.96 * math.sqrt(share * (1 - share) / 400)
    assert found.low == pytest.approx(share - half, abs=0.01)
    assert found.high == pytest.approx(share + half, abs=0.01)


def test_cases_of_one_unit_are_drawn_together_and_widen_the_interval() -> None:
    hits, cases = np.tile([1.0, 0.0, 1.0, 0.0], 5), np.ones(20)
    single = proportion(hits, cases, Resampling.of(20))
    units = np.arange(20) % 4
    of_units = regroup([hits, cases], units)
    grouped = proportion(of_units[0], of_units[1], Resampling.of(4))
    assert single.value == grouped.value == 0.5
    assert grouped.high is not None
    assert single.high is not None
    assert grouped.high > single.high


def test_fewer_than_three_cases_have_no_interval() -> None:
    found = proportion(array(1, 1), array(1, 1), Resampling.of(2))
    assert found == Estimate(1.0, None, None, 2)
    assert not found.is_enough
    assert proportion(array(0), array(0), Resampling.of(1)).value is None
    assert proportion(array(), array(), Resampling.of(0)).value is None


def test_all_of_six_found_does_not_prove_that_all_will_be() -> None:
    found = proportion(np.ones(6), np.ones(6), Resampling.of(6))
    # Clopper and Pearson: 0.025 ** (1 / 6).
    assert found.value == found.high == 1.0
    assert found.low == pytest.approx(0.5407, abs=1e-4)
    none = proportion(np.zeros(6), np.ones(6), Resampling.of(6))
    assert none.value == none.low == 0.0
    assert none.high == pytest.approx(1 - 0.5407, abs=1e-4)


def test_cases_of_one_unit_alone_have_no_interval() -> None:
    # Five segments of one scene: whoever draws scenes draws them all, or none.
    found = proportion(array(3, 0, 0), array(5, 0, 0), Resampling.of(3))
    assert found == Estimate(0.6, None, None, 5)


def test_rare_events_are_no_surer_than_those_of_a_poisson_process() -> None:
    found = rate(array(4, 0), array(1, 0), Resampling.of(2))
    # Garwood 1936: 4 events are of a mean from 1.09 to 10.24.
    assert (found.low, found.high) == pytest.approx((1.0899, 10.2416), abs=1e-4)
    # Where they come in heaps the draws tell more.
    heaps = rate(np.tile([9.0, 0.0, 0.0], 4), np.ones(12) / 12, Resampling.of(12))
    assert heaps.high is not None
    assert heaps.high > 60


def test_a_rate_is_events_per_hour_and_none_in_an_hour_proves_little() -> None:
    found = rate(array(1, 2, 0), array(0.5, 0.5, 1), Resampling.of(3))
    assert (found.value, found.n) == (1.5, 2)
    none = rate(array(0, 0), array(0.5, 0.5), Resampling.of(2))
    # The rate at which no event in an hour has a chance of 2.5%.
    assert none == Estimate(0.0, 0.0, pytest.approx(3.6889, abs=1e-4), 1.0)  # type: ignore[arg-type]
    assert rate(array(0), array(0), Resampling.of(1)).value is None


def test_a_ratio_of_sums_and_the_harmonic_mean() -> None:
    found = ratio(array(1, 3, 2), array(2, 6, 4), Resampling.of(3), n=5)
    assert found == Estimate(0.5, 0.5, 0.5, 5)
    # Precision 3/4, recall 3/5.
    harmonic = f1(array(3), array(1), array(2), Resampling.of(1))
    assert harmonic.value == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))
    assert harmonic.n == 5


def test_a_median_moves_with_the_units_that_are_drawn() -> None:
    values, units = array(10, 20, 30, 30), np.array([0, 1, 2, 2], np.intp)
    # One draw in 27 is of the first unit alone, seven are mostly or all of the last.
    assert median(values, units, Resampling.of(3)) == Estimate(25, 10, 30, 4)
    assert median(values, units // 2, Resampling.of(2)) == Estimate(25, None, None, 4)
    assert median(array(7), np.array([0], np.intp), Resampling.of(1)) == Estimate(7, None, None, 1)
    assert median(array(), np.array([], np.intp), Resampling.of(0)).value is None


def test_the_same_seed_draws_the_same() -> None:
    assert np.array_equal(Resampling.of(9).weights, Resampling.of(9).weights)
    assert not np.array_equal(Resampling.of(9).weights, Resampling.of(9, seed=1).weights)
    assert set(Resampling.of(9).weights.sum(axis=1)) == {9.0}
