"""Where the timeline's bars and ticks stand."""

from __future__ import annotations

import pytest

from clipwarden.report.axis import MAX_STEPS, TimeAxis
from clipwarden.report.timeline import CUTS_WIDTH, MIN_BAR_PERCENT, lay_out_timeline
from prompts.actions import Action
from tests.report.samples import make_segment, make_video, render_page


def test_a_segment_that_begins_in_the_middle_has_its_bar_there() -> None:
    page = render_page(make_video((make_segment("fire", 5000, 7500),), duration_ms=10_000))
    (bar,) = page.every("rect", "bar")
    assert (bar.attributes["x"], bar.attributes["width"]) == ("50.0%", "25.0%")


def test_each_label_has_a_lane_and_the_strongest_action_is_on_top() -> None:
    segments = (
        make_segment("alcohol", 0, 1000),
        make_segment("gore", 2000, 3000, action=Action.BLOCK),
        make_segment("alcohol", 4000, 5000),
    )
    timeline = lay_out_timeline(segments, TimeAxis(10_000))
    assert [(lane.label, len(lane.bars)) for lane in timeline.lanes] == [
        ("gore", 1),
        ("alcohol", 2),
    ]
    assert timeline.summary == "gore: 1 segment; alcohol: 2 segments"
    gore, alcohol = timeline.lanes
    assert gore.base_y_px < alcohol.text_y_px
    assert alcohol.base_y_px <= timeline.lanes_height_px


def test_actions_are_told_apart_without_colour() -> None:
    segments = [make_segment(action, action=action) for action in Action]
    lanes = lay_out_timeline(segments, TimeAxis(10_000)).lanes
    heights = [lane.bars[0].height_px for lane in lanes]
    assert heights == sorted(set(heights), reverse=True)
    assert [lane.action for lane in lanes] == list(reversed(Action))


def test_a_bar_too_short_to_see_is_widened_and_stays_on_the_axis() -> None:
    timeline = lay_out_timeline([make_segment("fire", 9_999_999, 10_000_000)], TimeAxis(10_000_000))
    (bar,) = timeline.lanes[0].bars
    assert bar.width_percent == MIN_BAR_PERCENT
    assert bar.x_percent + bar.width_percent == pytest.approx(100)


def test_cuts_are_lines_at_their_times_and_no_more_than_can_be_told_apart() -> None:
    segments, axis = [make_segment("fire", 0, 10_000)], TimeAxis(10_000)
    assert lay_out_timeline(segments, axis).cuts == ""
    assert lay_out_timeline(segments, axis, [2500, 5000]).cuts == "M250 0v1M500 0v1"
    many = lay_out_timeline(segments, axis, range(1, 10_000)).cuts
    assert many.count("M") == CUTS_WIDTH + 1
    # Beyond the last frame there is nothing to draw.
    assert lay_out_timeline(segments, axis, [12_000]).cuts == ""


def test_the_page_says_what_the_thin_lines_are() -> None:
    fire = (make_segment("fire", 0, 5000),)
    page = render_page(make_video(fire, sampling="shots:3", cuts_ms=(2500, 5000)))
    (drawing,) = page.every("svg", "cuts")
    (path,) = drawing.every("path")
    assert path.attributes["d"] == "M250 0v1M500 0v1"
    assert "A thin line is a cut" in page.text
    assert "A thin line is a cut" not in render_page(make_video(fire)).text


def test_the_axis_reaches_what_lies_beyond_the_container_duration() -> None:
    axis = TimeAxis.covering(1000, [4000, 2000])
    assert axis.percent(4000) == 100
    assert TimeAxis.covering(None, []).span_ms == 0


@pytest.mark.parametrize(
    ("span_ms", "texts"),
    [
        (0, ["0:00"]),
        (
            40,
            [
                "0:00",
                "0:00.005",
                "0:00.01",
                "0:00.015",
                "0:00.02",
                "0:00.025",
                "0:00.03",
                "0:00.035",
                "0:00.04",
            ],
        ),
        (10_000, [f"0:{second:02}" for second in range(11)]),
        (50_120, ["0:00", "0:10", "0:20", "0:30", "0:40", "0:50"]),
        (
            5_400_000,
            [
                "0:00",
                "10:00",
                "20:00",
                "30:00",
                "40:00",
                "50:00",
                "1:00:00",
                "1:10:00",
                "1:20:00",
                "1:30:00",
            ],
        ),
    ],
)
def test_ticks_stand_at_round_times(span_ms: int, texts: list[str]) -> None:
    assert [tick.text for tick in TimeAxis(span_ms).ticks()] == texts


@pytest.mark.parametrize("span_ms", [1, 999, 61_000, 3_599_999, 86_400_000, 40 * 86_400_000])
def test_there_are_never_more_ticks_than_fit(span_ms: int) -> None:
    ticks = TimeAxis(span_ms).ticks()
    assert 1 < len(ticks) <= MAX_STEPS + 1
    assert ticks[0].x_percent == 0
    assert ticks[-1].x_percent <= 100
