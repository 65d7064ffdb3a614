"""How well confidences rank frames, against rankings that can be worked out by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clipwarden.evaluation.curves import curve_of
from clipwarden.truth.frames import LabelFrames


def frames(
    scores: list[float],
    targets: list[bool],
    hard: list[bool] | None = None,
    media: list[int] | None = None,
) -> LabelFrames:
    n = len(scores)
    return LabelFrames(
        margins=np.array(scores, np.float32),
        confidences=np.array(scores, np.float32),
        targets=np.array(targets, np.bool_),
        groups=np.arange(n, dtype=np.int64),
        media=np.arange(n, dtype=np.int64) if media is None else np.array(media, np.int64),
        hard=np.zeros(n, np.bool_) if hard is None else np.array(hard, np.bool_),
    )


def test_average_precision_and_area_of_a_ranking_worked_out_by_hand() -> None:
    curve = curve_of(frames([0.9, 0.8, 0.7, 0.6], [True, False, True, False]))
    # Steps of recall at precision 1/1 and 2/3; pairs in order: 3 of 4.
    assert curve.average_precision.value == pytest.approx((1 + 2 / 3) / 2)
    assert curve.roc_auc.value == pytest.approx(3 / 4)
    assert [one.precision for one in curve.points] == pytest.approx([1, 0.5, 2 / 3, 0.5])
    assert [one.recall for one in curve.points] == [0.5, 0.5, 1, 1]
    assert (curve.positives, curve.negatives) == (2, 2)
    assert curve.average_precision.low is None


def test_frames_of_equal_confidence_are_one_step_and_half_a_pair() -> None:
    curve = curve_of(frames([0.5] * 4, [True, False, True, False]))
    assert curve.average_precision.value == pytest.approx(0.5)
    assert curve.roc_auc.value == pytest.approx(0.5)
    assert len(curve.points) == 1


def test_hard_scenes_are_left_out_of_the_ranking() -> None:
    scores, targets = [0.9, 0.8, 0.1], [True, False, True]
    assert curve_of(frames(scores, targets)).roc_auc.value == pytest.approx(0.5)
    assert curve_of(frames(scores, targets, [False, False, True])).roc_auc.value == 1.0


def test_without_positives_or_negatives_there_is_nothing_to_rank() -> None:
    assert curve_of(frames([0.5], [False])).average_precision.value is None
    only = curve_of(frames([0.5], [True]))
    assert only.average_precision.value == 1.0
    assert only.roc_auc.value is None
    assert curve_of(frames([], [])).points == ()


def test_a_perfect_ranking_of_a_few_says_nothing_of_others() -> None:
    perfect = curve_of(frames([0.9, 0.8, 0.7, 0.2, 0.1], [True] * 3 + [False] * 2)).roc_auc
    assert (perfect.value, perfect.low, perfect.high, perfect.n) == (1.0, None, None, 3)


def test_cases_are_scenes_and_not_their_frames() -> None:
    many = frames([0.9] * 10 + [0.1] * 10, [True] * 10 + [False] * 10)
    grouped = LabelFrames(
        many.margins,
        many.confidences,
        many.targets,
        np.arange(20, dtype=np.int64) // 5,
        np.zeros(20, np.int64),
        many.hard,
    )
    assert curve_of(many).average_precision.n == 10
    assert curve_of(grouped).average_precision.n == 2
    assert curve_of(grouped).average_precision.low is None


@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.booleans(), st.integers(0, 12)), min_size=2, max_size=40
    )
)
def test_curves_are_those_of_scikit_learn(found: list[tuple[int, bool, int]]) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores = [score / 8 for score, _, _ in found]
    targets = [target for _, target, _ in found]
    assume(any(targets) and not all(targets))
    curve = curve_of(frames(scores, targets, media=[media for _, _, media in found]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        average = average_precision_score(targets, scores)
        area = roc_auc_score(targets, scores)
    assert curve.average_precision.value == pytest.approx(average)
    assert curve.roc_auc.value == pytest.approx(area)
    for one in (curve.average_precision, curve.roc_auc):
        if one.low is not None and one.high is not None:
            assert -1e-9 <= one.low <= one.high <= 1 + 1e-9
