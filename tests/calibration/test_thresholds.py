"""Thresholds keep what was wished for where it can be kept, and say so where not."""

from __future__ import annotations

import numpy as np
import pytest

from clipwarden.calibration.calibrate import Settings, calibrate
from clipwarden.calibration.examples import Examples
from clipwarden.calibration.thresholds import (
    Curve,
    Wish,
    WishKind,
    clean_hours,
    false_alarms,
    pick_threshold,
    point_at,
)
from clipwarden.calibration.wording import label_cells
from prompts.label import Label
from tests.calibration.drawn import drawn_examples, footage

FIRE = Label(id="fire", prompts=("a fire",), min_frames=2)


def picked(wish: Wish, examples: Examples) -> tuple[float | None, str]:
    confidences = 1 / (1 + np.exp(-examples.log_odds[:, 0]))
    curve = Curve.of(confidences, examples.targets[:, 0])
    pick = pick_threshold(curve, wish, lambda _: None)
    return pick.threshold, pick.best


@pytest.mark.parametrize(("kind", "value"), [("precision", 0.8), ("recall", 0.9)])
def test_a_threshold_keeps_the_wish_and_no_better_one_does(kind: WishKind, value: float) -> None:
    examples = drawn_examples(5000, scale=1.0)
    confidences = 1 / (1 + np.exp(-examples.log_odds[:, 0]))
    threshold, _ = picked(Wish(kind, value), examples)
    assert threshold is not None
    targets, groups = examples.targets[:, 0], examples.groups
    at = point_at(threshold, confidences, targets, groups)
    rate = at.precision if kind == "precision" else at.recall
    assert rate is not None
    assert rate >= value
    others = [point_at(float(one), confidences, targets, groups) for one in np.unique(confidences)]
    if kind == "precision":
        kept = [one for one in others if one.precision is not None and one.precision >= value]
        assert at.recall == max(one.recall or 0 for one in kept)
    else:
        kept = [one for one in others if one.recall is not None and one.recall >= value]
        assert at.flagged == min(one.flagged for one in kept)


def test_a_precision_that_nothing_reaches_is_told_with_the_best() -> None:
    random = np.random.default_rng(0)
    noise = Examples(
        ("fire",),
        (0,),
        np.round(random.normal(0, 1, (4000, 1)), 1),
        (random.random((4000, 1)) < 0.1).astype(np.int8),
        np.arange(4000),
    )
    threshold, best = picked(Wish("precision", 0.99), noise)
    assert threshold is None
    assert "best precision" in best


def test_a_wish_for_alarms_needs_clean_footage() -> None:
    threshold, best = picked(Wish("false_alarms_per_hour", 2.0), drawn_examples(500))
    assert threshold is None
    assert "clean footage" in best


def test_alarms_are_segments_where_the_label_is_not() -> None:
    confidences = np.zeros(100)
    confidences[[10, 11, 12, 40, 60, 61]] = 0.9
    targets = np.zeros(100, np.int8)
    targets[60:62] = 1
    files = (footage(100),)
    # Three frames are one segment, a single one is none, and the last ones are right.
    assert false_alarms(FIRE, 0.5, confidences, targets, files) == 1
    assert clean_hours(targets, files) == pytest.approx(98 * 0.5 / 3600)


def test_an_alarm_over_the_border_of_two_clean_scenes_is_one() -> None:
    confidences, targets = np.zeros(40), np.zeros(40, np.int8)
    confidences[8:13] = 0.9
    # Truth leaves open what is shown at the cut.
    targets[10] = -1
    assert false_alarms(FIRE, 0.5, confidences, targets, (footage(40),)) == 1
    targets[9:13] = -1
    assert false_alarms(FIRE, 0.5, confidences, targets, (footage(40),)) == 0


def test_pictures_are_no_footage() -> None:
    pictures = tuple(footage(1, first=place) for place in range(3))
    targets = np.zeros(3, np.int8)
    assert clean_hours(targets, pictures) == 0
    assert false_alarms(FIRE, 0.5, np.full(3, 0.9), targets, pictures) == 0


def hours_of_footage() -> Examples:
    """Two hours at 2 fps: five scenes of fire, and clean ones that look a little like it."""
    random = np.random.default_rng(4)
    frames = 2 * 3600 * 2
    log_odds = random.normal(-6, 1, (frames, 1))
    targets = np.zeros((frames, 1), np.int8)
    groups = np.arange(frames) // 40
    for scene in range(5):
        targets[scene * 2800 : scene * 2800 + 40] = 1
        log_odds[scene * 2800 : scene * 2800 + 40] += 10
    for scene in range(60):
        start = 200 + scene * 230
        log_odds[start : start + 4] += random.uniform(3, 7)
    return Examples(("fire",), (0,), log_odds, targets, groups, (footage(frames),))


def test_false_alarms_per_hour_are_kept_and_the_least_that_there_are_is_told() -> None:
    examples = hours_of_footage()
    settings = Settings(method="platt", wish=Wish("false_alarms_per_hour", 2.0))
    [report] = calibrate(examples, [FIRE], settings).labels
    assert report.threshold is not None
    assert report.alarms_per_hour is not None
    assert report.alarms_per_hour <= 3
    lower = 0.5 * report.threshold
    assert false_alarms(FIRE, lower, report.final, report.targets, examples.files) > 4
    assert report.point.recall is not None
    assert report.point.recall > 0.9


def test_alarms_are_counted_in_files_that_the_threshold_was_not_picked_on() -> None:
    # One file has all that looks like fire: only with it the threshold is high enough.
    whole = hours_of_footage()
    half = len(whole.groups) // 2
    log_odds = whole.log_odds.copy()
    clean = whole.targets[:, 0] == 0
    log_odds[half:][clean[half:]] = np.minimum(log_odds[half:][clean[half:]], -6)
    files = (footage(half), footage(half, first=half, name="b.mp4"))
    examples = Examples(("fire",), (0,), log_odds, whole.targets, whole.groups, files)
    settings = Settings(method="platt", wish=Wish("false_alarms_per_hour", 2.0))
    [report] = calibrate(examples, [FIRE], settings).labels
    assert report.threshold is not None
    assert report.clean_files == 2
    assert false_alarms(FIRE, report.threshold, report.final, report.targets, files) <= 4
    assert report.alarms > 4


def test_what_truth_never_shows_is_not_looked_for_below_the_sets_own_threshold() -> None:
    examples = hours_of_footage()
    two = Examples(
        ("fire", "gore"),
        (0, 0),
        np.repeat(examples.log_odds, 2, axis=1),
        np.concatenate([examples.targets, np.zeros_like(examples.targets)], axis=1),
        examples.groups,
        examples.files,
    )
    gore = Label(id="gore", prompts=("gore",), threshold=0.9)
    wish = Wish("false_alarms_per_hour", 500.0)
    fire, never = calibrate(two, [FIRE, gore], Settings(wish=wish)).labels
    assert fire.threshold is not None
    assert (never.threshold, never.unmet) == (None, "")


def test_precision_on_scenes_that_were_held_out_is_what_is_reported() -> None:
    examples = drawn_examples(6000, scale=1.0, per_scene=3)
    [report] = calibrate(examples, [FIRE], Settings(wish=Wish("precision", 0.9))).labels
    assert report.point.precision is not None
    assert report.point.precision == pytest.approx(0.9, abs=0.06)
    low, high = report.point.precision_interval
    assert low < report.point.precision < high
    # 2000 scenes, not 6000 frames, make the interval.
    assert report.point.flagged_scenes * 3 >= report.point.flagged > report.point.flagged_scenes
    cells = dict(label_cells(report))
    assert cells["precision"].startswith(f"{report.point.precision:.2f} [")


def test_a_prior_moves_confidences() -> None:
    examples = drawn_examples(6000, scale=1.0)
    [plain] = calibrate(examples, [FIRE], Settings("platt")).labels
    [rare] = calibrate(examples, [FIRE], Settings("platt", priors={"fire": 0.01})).labels
    assert rare.final.max() <= plain.final.max()
    assert rare.final.mean() < 0.5 * plain.final.mean()
    # What is set against truth is as often as truth has it.
    assert np.array_equal(rare.held_out, plain.held_out)


def test_a_precision_that_is_wanted_is_that_at_the_prior() -> None:
    examples, rate = drawn_examples(60_000, scale=1.0), 0.02
    settings = Settings("platt", wish=Wish("precision", 0.8), priors={"fire": rate})
    [report] = calibrate(examples, [FIRE], settings).labels
    assert report.threshold is not None
    assert report.point.precision == pytest.approx(0.8, abs=0.03)
    # Footage in which it is as rare as that.
    shows = examples.targets[:, 0] == 1
    odds = rate / (1 - rate) / (shows.mean() / (1 - shows.mean()))
    kept = ~shows | (np.random.default_rng(0).random(len(shows)) < odds)
    found = kept & (report.final >= report.threshold)
    assert shows[found].mean() == pytest.approx(0.8, abs=0.05)
    without = shows[report.final >= report.threshold].mean()
    assert without > 0.95
