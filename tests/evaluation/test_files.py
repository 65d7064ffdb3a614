"""Flags against pictures, in cases that can be worked out by hand."""

from __future__ import annotations

from clipwarden.evaluation.files import FileFigures, file_figures
from clipwarden.evaluation.mistakes import mistakes
from clipwarden.evaluation.run import measure
from tests.evaluation.observed import LABELS, picture, scene, video, whole_video

PICTURES = [
    picture(["cat"], ["cat"], index=0),
    picture(["cat"], [], index=1, scores={"cat": 0.3}),
    picture([], ["cat"], index=2),
    picture([], [], index=3),
    picture(["dog"], ["dog", "cat"], index=4),
    picture(["cat.kitten"], ["cat.kitten"], index=5),
]


def figures_of(label: str | None) -> FileFigures:
    figures = file_figures(PICTURES, label)
    assert figures is not None
    return figures


def test_each_label_has_its_own_right_missed_and_false_pictures() -> None:
    cat = figures_of("cat")
    assert (cat.right, cat.missed, cat.false, cat.clean) == (2, 1, 2, 3)
    assert (cat.recall.value, cat.precision.value) == (2 / 3, 0.5)
    assert cat.f1.value == 4 / 7
    dog = figures_of("dog")
    assert (dog.right, dog.missed, dog.false, dog.clean) == (1, 0, 0, 5)
    assert dog.recall.value == dog.precision.value == dog.f1.value == 1.0
    assert dog.recall.low is None


def test_over_all_a_picture_is_right_if_all_is_found_and_false_if_more_is() -> None:
    figures = figures_of(None)
    assert (figures.right, figures.missed, figures.false, figures.clean) == (3, 1, 2, 2)


def test_whether_a_cat_is_a_kitten_nobody_said() -> None:
    figures = file_figures([picture(["cat"], ["cat.kitten"])], "cat.kitten")
    assert figures is not None
    assert (figures.right, figures.missed, figures.false, figures.clean) == (0, 0, 0, 0)


def test_hard_pictures_are_counted_apart() -> None:
    files = [picture(["cat"], [], hard=True), picture(["cat"], ["cat"], index=1)]
    figures = file_figures(files, "cat")
    assert figures is not None
    assert (figures.recall.value, figures.recall.n) == (1.0, 1)
    assert (figures.hard_recall.value, figures.hard_recall.n) == (0.0, 1)


def test_a_video_judged_as_a_whole_is_found_by_any_segment() -> None:
    files = [whole_video(["cat"], [(1, 1.5, "cat")]), whole_video(["cat"], index=1)]
    figures = file_figures(files, "cat")
    assert figures is not None
    assert (figures.right, figures.missed) == (1, 1)


def test_mistakes_in_pictures_have_no_times() -> None:
    found = mistakes(PICTURES, LABELS)
    told = [(one.kind, one.file, one.label, one.start_ms, one.confidence) for one in found]
    assert told == [
        ("missed", "1.mp4", "cat", None, 0.3),
        ("false_alarm", "2.mp4", "cat", None, 0.9),
        ("false_alarm", "4.mp4", "cat", None, 0.9),
    ]


def test_pictures_and_videos_are_measured_side_by_side() -> None:
    figures = measure([*PICTURES, video([scene(0, 10, "dog")], [(0, 10, "dog")], index=6)], LABELS)
    assert (figures.videos, figures.pictures, figures.unit) == (1, 6, "scene")
    assert figures.footage_us == 10_000_000
    assert [row.label for row in figures.labels] == ["cat", "cat.kitten", "dog"]
    cat = figures.labels[0]
    assert cat.scenes is not None
    assert cat.files is not None
    assert cat.curve is not None
    # One kitten and two cats among the pictures, and 20 frames of a video without any.
    assert (cat.curve.positives, cat.curve.negatives) == (3, 3 + 20)
    assert figures.overall.curve is None
    without_videos = measure(PICTURES, LABELS)
    assert without_videos.overall.scenes is None
    assert without_videos.unit == "file"
    assert measure([], LABELS).labels == ()
