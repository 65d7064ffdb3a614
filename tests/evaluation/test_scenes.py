"""Segments against scenes, in cases that can be worked out by hand."""

from __future__ import annotations

import pytest

from clipwarden.evaluation.mistakes import mistakes
from clipwarden.evaluation.scenes import SceneFigures, scene_figures
from tests.evaluation.observed import LABELS, scene, video, whole_video

MIXED = (scene(0, 4, "cat"), scene(4, 7), scene(7, 10, "dog"))


def values(figures: SceneFigures) -> dict[str, float | None]:
    names = ("recall", "precision", "false_alarms_per_hour", "clean_scene_alarm_rate")
    return {name: getattr(figures, name).value for name in names}


def test_a_perfect_result_is_perfect() -> None:
    one = video(MIXED, [(0, 4, "cat"), (7, 10, "dog")])
    for label in (None, "cat", "dog"):
        figures = scene_figures([one], label)
        assert values(figures) == {
            "recall": 1.0,
            "precision": 1.0,
            "false_alarms_per_hour": 0.0,
            "clean_scene_alarm_rate": 0.0,
        }
        assert figures.temporal_iou.value == 1.0
        assert figures.start_error_ms.value == figures.end_error_ms.value == 0.0
        assert figures.false_alarms == 0
    assert mistakes([one], LABELS) == []


def test_half_of_a_scene_is_enough_and_less_is_not() -> None:
    assert scene_figures([video(MIXED, [(2, 4, "cat")])], "cat").recall.value == 1.0
    assert scene_figures([video(MIXED, [(2.1, 4, "cat")])], "cat").recall.value == 0.0
    two_halves = [(0.0, 1.5, "cat"), (2.5, 4.0, "cat")]
    assert scene_figures([video(MIXED, two_halves)], "cat").recall.value == 0.0


def test_errors_are_those_of_the_segments_that_find_scenes() -> None:
    figures = scene_figures([video(MIXED, [(0.5, 3.9, "cat"), (6.8, 9, "dog")])], None)
    assert figures.start_error_ms.value == pytest.approx((500 + 200) / 2)
    assert figures.end_error_ms.value == pytest.approx((100 + 1000) / 2)
    assert figures.start_error_ms.n == 2


def test_overlap_over_union_counts_time_once() -> None:
    # Together 4 s are right, the union is 4 s of cat and 1 s beyond.
    overlapping = [(0.0, 3.0, "cat"), (2.0, 5.0, "cat.kitten")]
    assert scene_figures([video(MIXED, overlapping)], "cat").temporal_iou.value == pytest.approx(
        4 / 5
    )
    assert scene_figures([video(MIXED, [(1, 3, "cat")])], "cat").temporal_iou.value == 0.5


def test_a_false_alarm_on_clean_footage_counts_per_hour_of_it() -> None:
    one = video(MIXED, [(4.5, 6.5, "dog")])
    overall = scene_figures([one], None)
    assert overall.false_alarms == 1
    assert overall.precision.value == 0.0
    assert overall.false_alarms_per_hour.value == pytest.approx(3600 / 3)
    assert overall.clean_scene_alarm_rate.value == 1.0
    # For dogs the cat's scene is clean footage, too.
    dog = scene_figures([one], "dog")
    assert dog.false_alarms_per_hour.value == pytest.approx(3600 / 7)
    assert dog.clean_scene_alarm_rate.value == 0.5
    assert scene_figures([one], "cat").false_alarms == 0


def test_a_wrong_label_in_a_scene_is_false_but_not_on_clean_footage() -> None:
    one = video(MIXED, [(0, 4, "dog")])
    overall = scene_figures([one], None)
    assert overall.false_alarms == 1
    assert overall.false_alarms_per_hour.value == 0.0
    assert overall.clean_scene_alarm_rate.value == 0.0
    assert scene_figures([one], "dog").false_alarms_per_hour.value == pytest.approx(3600 / 7)
    [missed_cat, false_dog, missed_dog] = mistakes([one], LABELS)
    assert (missed_cat.kind, missed_cat.label, missed_cat.confidence) == ("missed", "cat", 0.1)
    assert (false_dog.kind, false_dog.label, false_dog.truth) == ("false_alarm", "dog", ("cat",))
    assert (false_dog.start_ms, false_dog.end_ms, false_dog.confidence) == (0, 4000, 0.9)
    assert (missed_dog.start_ms, missed_dog.end_ms) == (7000, 10000)


def test_a_segment_is_right_from_half_of_its_time_on() -> None:
    assert scene_figures([video(MIXED, [(1, 7, "cat")])], "cat").precision.value == 1.0
    assert scene_figures([video(MIXED, [(1.2, 7, "cat")])], "cat").precision.value == 0.0


def test_children_find_what_their_parent_is_wanted_for_and_not_the_other_way_round() -> None:
    wide, narrow = (scene(0, 10, "cat"),), (scene(0, 10, "cat.kitten"),)
    child, parent = [(0.0, 10.0, "cat.kitten")], [(0.0, 10.0, "cat")]
    assert values(scene_figures([video(wide, child)], None)) == {
        "recall": 1.0,
        "precision": 1.0,
        "false_alarms_per_hour": None,
        "clean_scene_alarm_rate": None,
    }
    by_parent = scene_figures([video(narrow, parent)], None)
    assert (by_parent.recall.value, by_parent.precision.value) == (0.0, 1.0)
    # A kitten is a cat, so cats are found.
    assert scene_figures([video(narrow, parent)], "cat").recall.value == 1.0
    # Whether a cat is a kitten nobody said: it counts neither for nor against.
    kitten = scene_figures([video(wide, child)], "cat.kitten")
    assert kitten.recall.value is None
    assert kitten.false_alarms == 0
    assert kitten.temporal_iou.value is None


def test_either_of_two_labels_is_right_where_the_truth_leaves_the_choice() -> None:
    one = video((scene(0, 10, "cat/dog"),), [(0, 10, "dog")])
    figures = scene_figures([one], None)
    assert (figures.recall.value, figures.precision.value) == (1.0, 1.0)
    assert scene_figures([one], "cat").recall.value is None


def test_hard_scenes_are_counted_apart() -> None:
    scenes = (scene(0, 4, "cat"), scene(4, 10, "cat", hard=True))
    figures = scene_figures([video(scenes, [(0, 4, "cat")])], "cat")
    assert (figures.recall.value, figures.recall.n) == (1.0, 1)
    assert (figures.hard_recall.value, figures.hard_recall.n) == (0.0, 1)
    assert figures.temporal_iou.value == 1.0


def test_what_no_scene_covers_is_clean_footage_but_no_clean_scene() -> None:
    figures = scene_figures([video((scene(0, 1, "cat"),), [(5, 6, "dog")])], None)
    assert figures.false_alarms_per_hour.value == pytest.approx(3600 / 9)
    assert figures.clean_scene_alarm_rate.value is None


def test_overlapping_scenes_are_each_wanted() -> None:
    scenes = (scene(0, 6, "cat"), scene(4, 10, "dog"))
    figures = scene_figures([video(scenes, [(0, 6, "cat"), (4, 10, "dog")])], None)
    assert (figures.recall.value, figures.recall.n) == (1.0, 2)
    assert figures.precision.value == 1.0
    assert figures.clean_scene_alarm_rate.value is None


def test_a_scene_behind_the_end_of_the_file_is_missed() -> None:
    figures = scene_figures([video((scene(20, 30, "cat"),))], "cat")
    assert (figures.recall.value, figures.recall.n) == (0.0, 1)
    [mistake] = mistakes([video((scene(20, 30, "cat"),))], LABELS)
    assert mistake.confidence is None


def test_a_clean_video_judged_as_a_whole_is_clean_footage() -> None:
    one = whole_video([], [(1, 2, "dog")], length_s=1800)
    figures = scene_figures([one], None)
    assert figures.false_alarms_per_hour.value == 2.0
    assert figures.clean_scene_alarm_rate.value == 0.0
    flagged = whole_video(["dog"], [(1, 2, "dog")], length_s=1800)
    assert scene_figures([flagged], None).precision.value is None
    assert scene_figures([flagged], "cat").false_alarms_per_hour.n == 0.5


def test_intervals_draw_files_where_there_are_enough_and_scenes_where_not() -> None:
    found = [(0.0, 4.0, "cat"), (7.0, 10.0, "dog")]
    good = [video(MIXED, found, index=n) for n in range(4)]
    few = [*good[:3], video(MIXED, [], index=3)]
    recall = scene_figures(few, None).recall
    assert (recall.value, recall.n) == (0.75, 8)
    many = few + [video(MIXED, found if n % 4 else [], index=4 + n) for n in range(8)]
    recall = scene_figures(many, None).recall
    assert recall.value == pytest.approx(0.75)
    assert recall.low is not None
    # Files are all right or all wrong: twelfths.
    assert (recall.low * 12) == pytest.approx(round(recall.low * 12))
