from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from prompts.links import Isotonic, Link, Logistic


def test_confidence_is_the_logistic_function_of_the_scaled_margin() -> None:
    drawn = np.array([[-0.2, 0.0, 0.04, 0.1]], np.float32)
    expected = [[1 / (1 + math.exp(-40 * (float(margin) - 0.04))) for margin in drawn[0]]]
    found = Logistic(scale=40.0, bias=0.04).confidences(drawn)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found[0, 2] == 0.5


def test_confidence_stays_in_bounds_and_rises_with_the_margin_at_any_scale() -> None:
    drawn = np.linspace(-2, 2, 101, dtype=np.float32)
    for scale in (1.0, 40.0, 1e6):
        found = Logistic(scale=scale, bias=0.0).confidences(drawn)
        assert found.min() >= 0
        assert found.max() <= 1
        assert (np.diff(found) >= 0).all()


def test_an_isotonic_link_is_straight_between_knots_and_level_outside() -> None:
    link = Isotonic(margins=(-0.1, 0.0, 0.1), levels=(0.2, 0.2, 0.8))
    found = link.confidences(np.array([-1, -0.05, 0.05, 0.1, 1], np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [0.2, 0.2, 0.5, 0.8, 0.8], atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "logistic", "scale": 0.0, "bias": 0.0},
        {"kind": "logistic", "scale": -1.0, "bias": 0.0},
        {"kind": "logistic", "scale": math.inf, "bias": 0.0},
        {"kind": "logistic", "scale": 1.0, "bias": math.nan},
        {"kind": "isotonic", "margins": [], "levels": []},
        {"kind": "isotonic", "margins": [0.0, 0.0], "levels": [0.1, 0.2]},
        {"kind": "isotonic", "margins": [0.0, 1.0], "levels": [0.3, 0.2]},
        {"kind": "isotonic", "margins": [0.0, 1.0], "levels": [0.3]},
        {"kind": "isotonic", "margins": [0.0], "levels": [1.5]},
        {"kind": "magic"},
    ],
)
def test_a_link_that_could_fall_or_is_none_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[Link](Link).validate_python(wrong)
