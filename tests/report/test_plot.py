"""Which scores are drawn, and where."""

from __future__ import annotations

import numpy as np
import pytest

from clipwarden.report.axis import TimeAxis
from clipwarden.report.model import ScoreCurves
from clipwarden.report.plot import (
    HEIGHT_PX,
    MARKERS,
    MAX_LINES,
    OTHER_LINES,
    lay_out_plot,
    thin_out,
)
from prompts.actions import Action
from tests.report.samples import make_curves, make_segment, make_video, render_page


def test_ten_thousand_frames_become_a_thousand_points_that_keep_a_single_peak() -> None:
    confidences = np.full(10_000, 0.1, np.float32)
    confidences[7321] = 0.875
    curves = make_curves({"fire": confidences.tolist()})
    page = render_page(make_video(curves=(curves,), duration_ms=5_000_000))

    (line,) = page.every("polyline")
    points = [tuple(map(float, pair.split(","))) for pair in line.attributes["points"].split()]
    xs = [x for x, _ in points]
    assert len(points) == 1000
    assert xs == sorted(xs)
    assert min(points, key=lambda point: point[1]) == (732.1, 12.5)
    assert "of every 10.0 frames the highest is drawn" in page.text


def test_few_frames_are_all_drawn_where_they_belong() -> None:
    curves = make_curves({"fire": [0.0, 0.5, 1.0]}, step_ms=5000)
    (line,) = lay_out_plot(curves, [], TimeAxis(10_000), 1000).lines
    assert line.points == "0.00,100.0 500.00,50.0 1000.00,0.0"
    assert (line.highest, line.highest_at) == ("1.00", "00:10.000")


@pytest.mark.parametrize("frames", [1, 5, 999, 1000, 1001, 12_345])
def test_thinning_keeps_the_order_and_every_run_s_highest(frames: int) -> None:
    values = np.random.default_rng(frames).random(frames).astype(np.float32)
    kept = thin_out(values, 1000)
    assert len(kept) == min(frames, 1000)
    assert (np.diff(kept) > 0).all()
    assert values[kept].max() == values.max()


def test_labels_with_segments_are_drawn_even_below_higher_others() -> None:
    curves = make_curves({"low": [0.2], "a": [0.5], "b": [0.4], "c": [0.3], "d": [0.25]})
    plot = lay_out_plot(curves, [make_segment("low")], TimeAxis(1000), 10)
    assert [(line.label, line.segments) for line in plot.lines] == [
        ("low", 1),
        ("a", 0),
        ("b", 0),
        ("c", 0),
    ]
    assert len(plot.lines) == 1 + OTHER_LINES
    assert plot.labels_left_out == 1


def test_where_too_many_labels_have_segments_the_strongest_actions_are_drawn() -> None:
    labels = [f"label{number}" for number in range(12)]
    curves = make_curves({label: [0.9 - 0.01 * n] for n, label in enumerate(labels)})
    segments = [
        make_segment(label, action=Action.BLOCK if label == "label11" else Action.NOTE)
        for label in labels
    ]
    lines = lay_out_plot(curves, segments, TimeAxis(1000), 10).lines
    assert len(lines) == MAX_LINES
    assert [line.label for line in lines[:2]] == ["label11", "label0"]


def test_a_segment_of_another_prompt_set_does_not_count() -> None:
    segment = make_segment("fire").model_copy(update={"prompt_set": "scenes"})
    (line,) = lay_out_plot(make_curves({"fire": [0.1]}), [segment], TimeAxis(1000), 10).lines
    assert line.segments == 0


def test_lines_are_told_apart_without_colour() -> None:
    labels = [f"label{number}" for number in range(MAX_LINES)]
    curves = make_curves({label: [0.5, 0.6] for label in labels})
    plot = lay_out_plot(curves, [make_segment(label) for label in labels], TimeAxis(1000), 10)
    assert len({line.marker for line in plot.lines}) == MAX_LINES == len(MARKERS)
    assert all(line.marks for line in plot.lines)


def test_each_distinct_threshold_is_one_line_and_near_ones_share_a_text() -> None:
    curves = ScoreCurves(
        prompt_set="moderation",
        labels=("a", "b", "c", "d"),
        thresholds=(0.6, 0.65, 0.3, 0.6),
        times_ms=np.array([0], np.int64),
        confidences=np.array([[0.1, 0.1, 0.1, 0.1]], np.float32),
    )
    segments = [make_segment(label) for label in curves.labels]
    thresholds = lay_out_plot(curves, segments, TimeAxis(1000), 10).thresholds
    assert [line.text for line in thresholds] == ["0.30", None, "0.60–0.65"]
    assert [line.y_px for line in thresholds] == [
        pytest.approx(HEIGHT_PX * (1 - threshold)) for threshold in (0.3, 0.6, 0.65)
    ]


def test_curves_whose_shapes_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match="2 times, 1 labels"):
        ScoreCurves(
            prompt_set="moderation",
            labels=("a",),
            thresholds=(0.5,),
            times_ms=np.array([0, 1], np.int64),
            confidences=np.zeros((3, 1), np.float32),
        )
