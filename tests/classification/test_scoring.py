"""Confidences from vectors, worked out by hand or by another way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from clipwarden.classification.scoring import Margins, Sigmoid, Softmax, alike, ensembled
from prompts.links import Logistic

LINK = Logistic(scale=50.0, bias=0.04)


def unit(seed: int, count: int, dimension: int = 8) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).normal(size=(count, dimension))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def test_softmax_of_two_labels_is_the_logistic_of_their_difference() -> None:
    rows, pictures = unit(1, 2), unit(2, 5)
    scores = Softmax(rows, np.arange(2), 100.0).score(pictures)
    cosines = pictures @ rows.T
    wanted = 1 / (1 + np.exp(-100.0 * (cosines[:, 0] - cosines[:, 1]).astype(float)))
    assert scores.confidences[:, 0] == pytest.approx(wanted, abs=1e-6)
    assert np.array_equal(scores.evidence, cosines)


@given(st.integers(2, 20), st.integers(0, 1000), st.sampled_from([1.0, 26.5, 100.0]))
def test_softmax_adds_up_to_one_and_rises_with_the_cosine(
    labels: int, seed: int, scale: float
) -> None:
    scores = Softmax(unit(seed, labels), np.arange(labels), scale).score(unit(seed + 1, 3))
    assert scores.confidences.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    for confidences, cosines in zip(scores.confidences, scores.evidence, strict=True):
        assert (np.diff(confidences[np.argsort(cosines)]) >= 0).all()


def test_a_label_of_several_prompts_counts_by_its_nearest() -> None:
    rows, pictures = unit(3, 5), unit(4, 6)
    scores = Softmax(rows, np.array([0, 2, 3]), 10.0).score(pictures)
    cosines = pictures @ rows.T
    wanted = np.stack([cosines[:, :2].max(1), cosines[:, 2], cosines[:, 3:].max(1)], axis=1)
    assert np.array_equal(scores.evidence, wanted)


def test_a_model_with_a_bias_judges_each_label_by_that() -> None:
    rows, pictures = unit(5, 3), unit(6, 4)
    scores = Sigmoid(rows, 117.3, -12.9).score(pictures)
    wanted = 1 / (1 + np.exp(-(117.3 * (pictures @ rows.T).astype(float) - 12.9)))
    assert scores.confidences == pytest.approx(wanted, abs=1e-5)


def test_margins_are_over_the_nearest_contrast() -> None:
    rows, contrast, pictures = unit(7, 3), unit(8, 2), unit(9, 4)
    scores = Margins(rows, contrast, LINK).score(pictures)
    wanted = pictures @ rows.T - (pictures @ contrast.T).max(axis=1, keepdims=True)
    assert scores.evidence == pytest.approx(wanted, abs=1e-6)
    assert np.array_equal(scores.confidences, LINK.confidences(scores.evidence))


def test_without_contrast_margins_are_over_the_best_other_label() -> None:
    rows, pictures = unit(10, 4), unit(11, 7)
    scores = Margins(rows, np.empty((0, 8), np.float32), LINK).score(pictures)
    cosines = pictures @ rows.T
    for picture in range(7):
        for label in range(4):
            other = np.delete(cosines[picture], label).max()
            assert scores.evidence[picture, label] == pytest.approx(
                cosines[picture, label] - other, abs=1e-6
            )


def test_templates_are_averaged_as_unit_vectors() -> None:
    one, two = unit(12, 1)[0], unit(13, 1)[0]
    rows = ensembled(np.stack([one * 3, two, two, two]), 2, 2)
    mean = (one + two) / 2
    assert rows[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    assert rows[1] == pytest.approx(two, abs=1e-6)


def test_texts_that_come_out_the_same_are_told_in_pairs_across_blocks() -> None:
    rows = unit(14, 1500)
    rows[7] = rows[3]
    rows[1400] = rows[3]
    rows[1401] = rows[20]
    assert alike(rows) == [(3, 7), (3, 1400), (20, 1401)]
