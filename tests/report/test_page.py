"""What a person reads in the page."""

from __future__ import annotations

from itertools import pairwise

import pytest

from clipwarden.report.view import MAX_ROWS, Detail
from prompts.actions import Action
from prompts.links import Logistic
from tests.report.page import Element
from tests.report.samples import (
    make_curves,
    make_failed,
    make_full_video,
    make_segment,
    make_video,
    render_html,
    render_page,
    words,
)
from worker.document import Explanation, SegmentInfo


def rows_of(page: Element, caption: str) -> list[list[str]]:
    """Return a table's body as text."""
    (table,) = [t for t in page.every("table") if words(t.every("caption")[0]) == caption]
    (body,) = table.every("tbody")
    return [[words(cell) for cell in row.children] for row in body.every("tr")]


def facts_of(page: Element) -> list[tuple[str, str]]:
    """Return all names and values, in the order of the page."""
    return [
        (words(d.every("dt")[0]), words(d.every("dd")[0]))
        for d in page.every("div")
        if d.every("dt") and d.children[0].tag == "dt"
    ]


def test_the_head_lists_every_input_with_its_verdict() -> None:
    block = make_segment("nudity", action=Action.BLOCK, nsfw=True)
    page = render_page(
        make_video((block,), source="a.mp4"), make_video(source="b.mp4"), make_failed()
    )
    assert rows_of(page, "All inputs") == [
        ["1", "a.mp4", "block", "NSFW nudity", "done", "00:10.000"],
        ["2", "b.mp4", "allow", "none", "done", "00:10.000"],
        ["3", "notes.mp4", "not judged", "", "failed", "unknown"],
    ]
    facts = dict(facts_of(page.every("section")[0]))
    assert facts["Inputs"] == "3 inputs, 1 failed"
    assert facts["Verdicts"] == "1 block, 1 allow"
    assert facts["NSFW"] == "1 video"
    assert facts["Video time"] == "00:20.000"


def test_segments_are_listed_with_times_to_the_millisecond() -> None:
    segments = (
        make_segment("fire", 5960, 10_120, confidence=0.974),
        make_segment("nudity", 3_723_004, 3_724_000, action=Action.BLOCK, nsfw=True),
    )
    page = render_page(make_video(segments, duration_ms=3_800_000))
    assert rows_of(page, "Segments in order of time") == [
        ["fire", "00:05.960 – 00:10.120", "note", "no", "0.97", "0.49", "5"],
        ["nudity", "1:02:03.004 – 1:02:04.000", "block", "NSFW", "0.90", "0.45", "5"],
    ]


def test_a_result_says_how_it_was_made() -> None:
    facts = dict(facts_of(render_page(make_full_video()).every("article")[0]))
    assert facts["Source"] == "clip.mp4"
    assert facts["Picture"] == "640 × 360 px"
    assert facts["SHA-256"] == "abababababab…"
    assert facts["Frames"] == "20 sampled, 20 embedded"
    assert facts["Weights"] == "cdcdcdcdcdcd…, key 0123456789abcdef"
    assert facts["Precision"] == "float32 on cpu"
    assert facts["Prompt set"] == "moderation 7, efefefefefef… Confidences are uncalibrated."
    assert facts["Sampling"].endswith("a segment's start and end are exact to 500 ms")


@pytest.mark.parametrize(
    ("sampling", "how", "exact"),
    [
        ("fps:2", "2 per second", "exact to 500 ms"),
        ("fps:1/3", "0.333333 per second", "exact to 3000 ms"),
        ("fps:1,fast", "1 per second, fast", "exact to 2000 ms"),
        ("keyframes", "key frames", "exact to the time between two key frames"),
        (
            "shots",
            "shots, 1 frame each, 2 cuts",
            "at a cut, or halfway between two frames of a shot",
        ),
        (
            "shots:3",
            "shots, 3 frames each, 2 cuts",
            "a segment starts and ends at a cut, or halfway between two frames of a shot",
        ),
        (
            "adaptive",
            "adaptive 0.5 to 4 per second, 20 of 20 frames embedded",
            "exact to 250 ms",
        ),
    ],
)
def test_every_kind_of_sampling_says_which_frames_it_looked_at_and_how_exact_that_is(
    sampling: str, how: str, exact: str
) -> None:
    video = make_video(sampling=sampling, cuts_ms=(1000, 2000) if "shots" in sampling else ())
    facts = dict(facts_of(render_page(video).every("article")[0]))
    assert facts["Sampling"].startswith(f"{how}, centre-224-bicubic; ")
    assert facts["Sampling"].endswith(exact)


def test_the_starter_model_is_called_what_it_is() -> None:
    page = render_page(make_video())
    assert "knows nothing of nudity" in words(page.every("section")[0])
    assert "knows nothing of nudity" in words(page.every("article")[0])
    assert "nudity" not in render_page(make_video(model="openai/clip-vit-base-patch32")).text


def test_a_calibrated_result_is_not_called_uncalibrated() -> None:
    page = render_page(make_video(calibration="12" * 32))
    assert "uncalibrated" not in page.text
    assert "calibration 121212121212…" in page.text


def test_labels_that_a_calibration_says_nothing_of_are_named_as_uncalibrated() -> None:
    segments = [
        explained(make_segment("fire"), calibrated=True),
        explained(make_segment("blood"), calibrated=False),
    ]
    page = render_page(make_video(segments, calibration="12" * 32))
    facts = dict(facts_of(page.every("article")[0]))
    assert facts["Prompt set"].endswith("calibration 121212121212… Uncalibrated: blood.")
    assert "Confidences are uncalibrated" in words(page.every("section")[0])


def explained(segment: SegmentInfo, *, calibrated: bool) -> SegmentInfo:
    explanation = Explanation(
        scored_by="prompts",
        link=Logistic(scale=50.0, bias=0.04),
        calibrated=calibrated,
        threshold=0.5,
        exit_threshold=0.3,
        times_ms=(segment.peak_ms,),
        margins=(0.1,),
        confidences=(segment.confidence,),
        vectors=((0, 0),),
        because="it is",
    )
    return segment.model_copy(update={"explanation": explanation})


def test_a_run_of_failures_alone_tells_each_cause_and_cure() -> None:
    page = render_page(make_failed("a.txt"), make_failed("b.txt"))
    for article in page.every("article"):
        text = words(article)
        assert "media.unreadable It is no video. What to do: Convert it." in text
        assert "there is no verdict" in text
        assert not article.every("svg")
    assert dict(facts_of(page))["Verdicts"] == "none"


def test_a_partial_result_says_so_and_shows_its_warnings() -> None:
    page = render_page(make_video(status="partial", warnings=("the last 3 s are missing",)))
    text = words(page.every("article")[0])
    assert "Partial." in text
    assert "the last 3 s are missing" in text


def test_nothing_found_names_what_came_nearest() -> None:
    curves = make_curves({"fire": [0.1, 0.2], "drugs": [0.3, 0.41]})
    assert (
        "Nothing above its threshold. The highest was drugs: "
        "0.41 at 00:00.500, where the threshold is 0.60."
    ) in words(render_page(make_video(curves=(curves,))))


def test_a_frame_above_its_threshold_without_a_segment_is_not_denied() -> None:
    curves = make_curves({"fire": [0.1, 0.7, 0.1]})
    text = words(render_page(make_video(curves=(curves,))))
    assert "Nothing above its threshold" not in text
    assert "Single frames reached a threshold" in text
    assert "The highest was fire: 0.70" in text


@pytest.mark.parametrize("duration_ms", [0, None, 40])
def test_a_video_of_one_frame_or_no_length_has_a_report(duration_ms: int | None) -> None:
    curves = make_curves({"fire": [0.9]})
    page = render_page(
        make_video((make_segment("fire", 0, 0),), (curves,), duration_ms=duration_ms)
    )
    (bar,) = page.every("rect", "bar")
    assert bar.attributes["x"] == "0.0%"
    assert float(bar.attributes["width"].removesuffix("%")) > 0
    assert len(page.every("polyline")[0].attributes["points"].split()) == 1


def test_a_video_without_a_scored_frame_has_no_plot() -> None:
    page = render_page(make_video(curves=(make_curves({"fire": []}),)))
    assert not page.every("polyline")
    assert "Nothing above its threshold." in page.text


def test_an_empty_run_is_still_a_page() -> None:
    assert rows_of(render_page(), "All inputs") == []


def test_very_many_segments_are_cut_down_to_the_strongest_in_order_of_time() -> None:
    weak = [make_segment("fire", at, at + 1, confidence=0.7) for at in range(0, 2 * MAX_ROWS, 2)]
    strong = make_segment("nudity", 9000, 9001, action=Action.BLOCK)
    page = render_page(make_video((*weak, strong)))
    rows = rows_of(page, "Segments in order of time")
    assert len(rows) == MAX_ROWS
    assert rows[-1][0] == "nudity"
    assert "1 weaker segments are left out" not in page.text
    assert "1 weaker segment is left out" in page.text


def test_a_run_of_many_videos_shows_less_of_each() -> None:
    one, many = Detail.for_run(1), Detail.for_run(500)
    assert one == Detail(pictures=24, points=1000)
    assert many.pictures < one.pictures
    assert many.points < one.points
    assert Detail.for_run(0) == one


def test_the_page_can_be_walked_without_seeing_it() -> None:
    page = render_page(make_full_video(), make_failed())
    (html,) = page.every("html")
    assert html.attributes["lang"] == "en"
    assert [len(page.every(tag)) for tag in ("header", "main", "footer", "h1")] == [1, 1, 1, 1]
    for drawing in page.every("svg"):
        if "role" in drawing.attributes:
            assert drawing.attributes["role"] == "img"
            assert [child.tag for child in drawing.children[:2]] == ["title", "desc"]
    assert len([d for d in page.every("svg") if d.attributes.get("role") == "img"]) == 2
    for heading in page.every("th"):
        assert heading.attributes["scope"] in {"col", "row"}
    for image in page.every("img"):
        assert image.attributes["alt"]
    for control in page.every("input"):
        assert control.attributes["type"] == "checkbox"


def test_headings_skip_no_level() -> None:
    page = render_page(make_full_video(), make_failed())
    levels = [int(e.tag[1]) for e in page.walk() if e.tag in {"h1", "h2", "h3", "h4"}]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_page_begins_with_its_doctype() -> None:
    assert render_html().startswith("<!DOCTYPE html>\n<html")
