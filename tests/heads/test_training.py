"""Heads find what prompts can't say, and are measured on what they have not seen."""

from __future__ import annotations

import numpy as np
import pytest

from clipwarden.heads.errors import TooFewHeadExamples
from clipwarden.heads.grouping import group_examples
from clipwarden.heads.measuring import measure
from clipwarden.heads.training import Examples, train
from tests.heads.drawn import drawn_head_examples, drawn_vectors


def test_a_head_tells_what_it_was_shown_from_what_it_was_not() -> None:
    trained = train(drawn_head_examples())
    new = drawn_head_examples(seed=1)
    logits = new.vectors @ trained.weights + trained.bias
    assert measure(logits, new.shows, new.groups, 0.0).auc.value == pytest.approx(1.0, abs=0.02)


def test_what_can_not_be_learnt_measures_as_chance() -> None:
    random = np.random.default_rng(0)
    examples = drawn_head_examples(100, apart=0.0)
    shuffled = Examples(examples.vectors, random.permutation(examples.shows), examples.groups)
    auc = measure(train(shuffled).held_out, shuffled.shows, shuffled.groups, 0.0).auc
    assert auc.low < 0.5 < auc.high


def test_copies_of_a_picture_don_t_leak_into_the_measure() -> None:
    random = np.random.default_rng(1)
    shows = random.random(30) < 0.5
    vectors = drawn_vectors(shows, dimension=64, apart=0.0)
    moved = np.repeat(vectors, 3, axis=0) + random.normal(0, 0.004, (90, 64))
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    copies = moved.astype(np.float32)
    truths = np.repeat(shows, 3)
    groups = group_examples(copies, [str(one) for one in range(90)])
    assert len(np.unique(groups)) == 30
    aucs = {}
    for name, used in (("grouped", groups), ("apart", np.arange(90))):
        trained = train(Examples(copies, truths, used))
        aucs[name] = measure(trained.held_out, truths, used, 0.0).auc.value or 0.0
    assert aucs["apart"] > 0.95
    assert aucs["grouped"] < 0.75


def test_what_shares_an_origin_or_is_alike_is_one_group() -> None:
    vectors = np.eye(5, dtype=np.float32)
    vectors[4] = vectors[2]
    groups = group_examples(vectors, ["a", "b", "c", "a", "d"])
    assert groups[0] == groups[3]
    assert groups[2] == groups[4]
    assert len(np.unique(groups)) == 3


def test_too_few_examples_are_refused_with_the_cure_and_copies_don_t_count() -> None:
    few = drawn_head_examples(15)
    with pytest.raises(TooFewHeadExamples, match="7 different examples don't show") as error:
        train(few)
    assert "Add some" in error.value.cure
    copied = np.tile(few.vectors, (4, 1))
    groups = group_examples(copied, [str(one) for one in range(60)])
    with pytest.raises(TooFewHeadExamples, match="7 different examples of 28"):
        train(Examples(copied, np.tile(few.shows, 4), groups))


def test_the_same_examples_give_the_same_head() -> None:
    first, again = train(drawn_head_examples(32)), train(drawn_head_examples(32))
    assert np.array_equal(first.weights, again.weights)
    assert np.array_equal(first.held_out, again.held_out)
    assert first.bias == again.bias


def test_rates_and_areas_come_with_intervals_that_hold_them() -> None:
    examples = drawn_head_examples(80, apart=0.15)
    measured = measure(train(examples).held_out, examples.shows, examples.groups, 0.0)
    for rate in (measured.auc, measured.average_precision, measured.precision, measured.recall):
        assert rate.value is not None
        assert rate.low < rate.value < rate.high
