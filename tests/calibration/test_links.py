"""Which link each label gets, and what it is worth on scenes that were held out."""

from __future__ import annotations

import numpy as np
import pytest

from clipwarden.calibration.calibrate import Settings, calibrate
from clipwarden.calibration.errors import TooFewExamples
from clipwarden.calibration.examples import Examples, attribute
from clipwarden.calibration.fit import Values, confidences_of
from clipwarden.calibration.folds import group_folds
from clipwarden.calibration.links import Method, fit_links, held_out_confidences, own_confidences
from clipwarden.calibration.reliability import Quality, equal_mass_bins, wilson
from prompts.label import Label
from tests.calibration.drawn import drawn_examples

IGNORE = -1


def label(label_id: str) -> Label:
    return Label(id=label_id, prompts=(f"a {label_id}",))


def error(examples: Examples, confidences: Values) -> float:
    known = examples.targets != IGNORE
    return Quality.of(confidences[known], (examples.targets == 1)[known]).ece


@pytest.mark.parametrize("method", ["auto", "platt", "isotonic"])
def test_the_calibration_error_of_unseen_frames_falls_to_a_fraction(method: Method) -> None:
    half, other = drawn_examples(3000, seed=1), drawn_examples(3000, seed=2)
    [fitted] = fit_links(half, method, share=True)
    assert fitted is not None
    after = confidences_of(fitted.link, other.log_odds)
    assert error(other, after) < 0.25 * error(other, own_confidences(other))


def test_auto_takes_the_models_own_link_where_that_is_right() -> None:
    [fitted] = fit_links(drawn_examples(3000, scale=1.0, bias=0.0), "auto", share=False)
    assert fitted is not None
    own = drawn_examples(3000, scale=1.0, bias=0.0, seed=9)
    assert error(own, confidences_of(fitted.link, own.log_odds)) < 0.02


def test_all_frames_of_a_scene_share_a_fold_and_positives_are_spread() -> None:
    examples = drawn_examples(2000, per_scene=10)
    fold = group_folds(examples.groups, examples.shows_any())
    for scene in np.unique(examples.groups):
        assert len(np.unique(fold[examples.groups == scene])) == 1
    positives = [
        len(np.unique(examples.groups[(fold == one) & examples.shows_any()])) for one in range(5)
    ]
    assert max(positives) - min(positives) <= 1


def test_frames_that_repeat_each_other_don_t_pass_for_proof() -> None:
    # Truth is drawn without regard to scores: a fit that saw a frame's copies would know it.
    random = np.random.default_rng(3)
    log_odds = random.normal(0, 5, (60, 1)).repeat(20, axis=0)
    targets = (random.random((60, 1)) < 0.5).astype(np.int8).repeat(20, axis=0)
    groups = np.arange(60).repeat(20)
    examples = Examples(("fire",), (0,), log_odds, targets, groups)
    scattered = Examples(("fire",), (0,), log_odds, targets, np.arange(1200))
    losses = [
        Quality.of(held_out_confidences(one, "isotonic", share=False)[:, 0], targets[:, 0] == 1)
        for one in (examples, scattered)
    ]
    assert losses[0].log_loss > 0.65
    assert losses[1].log_loss < losses[0].log_loss


def test_a_label_with_few_examples_shares_a_link_or_stays_as_it_is() -> None:
    examples = drawn_examples(2000, ("fire", "gore"))
    few = examples.targets.copy()
    few[np.flatnonzero(few[:, 1] == 1)[2:], 1] = IGNORE
    scarce = Examples(examples.labels, (0, 0), examples.log_odds, few, examples.groups)
    fire, gore = fit_links(scarce, "platt", share=True)
    assert fire is not None
    assert gore is not None
    assert (fire.is_shared, gore.is_shared) == (False, True)
    assert fit_links(scarce, "platt", share=False)[1] is None


def test_labels_that_are_scored_otherwise_share_nothing() -> None:
    examples = drawn_examples(2000, ("fire", "gore"))
    few = examples.targets.copy()
    few[np.flatnonzero(few[:, 1] == 1)[2:], 1] = IGNORE
    apart = Examples(examples.labels, (0, 1), examples.log_odds, few, examples.groups)
    assert fit_links(apart, "auto", share=True)[1] is None


def test_a_truth_without_anything_in_it_says_so() -> None:
    examples = drawn_examples(100)
    clean = Examples(
        ("fire",), (0,), examples.log_odds, np.zeros((100, 1), np.int8), examples.groups
    )
    with pytest.raises(TooFewExamples, match="0 frames"):
        calibrate(clean, [label("fire")], Settings())


def test_the_same_examples_give_the_same_links() -> None:
    first, again = (fit_links(drawn_examples(1500), "auto", share=True) for _ in range(2))
    assert first == again


def test_of_a_family_the_likeliest_is_taken_to_be_it() -> None:
    labels = ("weapons", "weapons.firearm", "weapons.blade", "fire")
    targets = np.array([[1, -1, -1, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]], np.int8)
    log_odds = np.array([[1.0, 5.0, 2.0, 0.0], [9.0, -3.0, 0.0, 0.0], [0.0] * 4, [0.0] * 4])
    resolved = attribute(targets, log_odds, labels)
    # Some weapon: the firearm scores highest. A firearm: then it is that, and no word on `weapons`.
    assert resolved.tolist() == [[-1, 1, -1, 0], [-1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_quality_is_what_the_definitions_say() -> None:
    confidences = np.array([0.0, 0.0, 0.5, 0.5])
    targets = np.array([False, False, True, False])
    perfect = Quality.of(confidences, targets)
    assert perfect.ece_width == 0.0
    assert perfect.brier == pytest.approx(0.125)
    bins = equal_mass_bins(confidences, targets, bins=2)
    assert [(one.count, one.positives, one.confidence) for one in bins] == [
        (2, 0, 0.0),
        (2, 1, 0.5),
    ]


def test_the_error_is_the_same_in_whatever_order_examples_come() -> None:
    random = np.random.default_rng(2)
    confidences = np.round(random.random(400), 1)
    targets = np.sort(random.random(400) < confidences)
    order = random.permutation(400)
    errors = {
        Quality.of(one, other).ece
        for one, other in ((confidences, targets), (confidences[order], targets[order]))
    }
    assert max(errors) - min(errors) < 1e-9


def test_wilson_gives_the_published_interval() -> None:
    # Newcombe 1998, table I: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
