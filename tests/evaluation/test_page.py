"""An evaluation as people and programs get it."""

from __future__ import annotations

import html
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from clipwarden.cli.evaluate_view import print_evaluation
from clipwarden.evaluation.page import render_evaluation
from clipwarden.evaluation.report import Evaluation, Failure
from clipwarden.evaluation.run import measure
from tests.evaluation.observed import LABELS, picture, scene, video
from worker.document import ErrorInfo, ModelInfo, PromptSetInfo, SamplingInfo

BAD_NAME = "<script>alert(1)</script>\u202egpj.mp4"


@pytest.fixture
def evaluation() -> Evaluation:
    scenes = [scene(0, 4, "cat"), scene(4, 7), scene(7, 10, "dog", hard=True)]
    files = [
        video(scenes, [(0, 4, "cat"), (4.5, 7, "dog")], index=0),
        *(picture(["cat"], ["cat"], index=n) for n in range(1, 5)),
        picture(["dog"], [], index=5),
    ]
    return Evaluation(
        created_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        version="1.2.3",
        truth="truth.json",
        truth_sha256="a" * 64,
        model=ModelInfo(
            id="starter", key="k" * 16, weights_sha256="b" * 64, device=None, precision="float32"
        ),
        prompt_set=PromptSetInfo(name="pets", version="1", sha256="c" * 64),
        sampling=SamplingInfo(strategy="fps", spec="fps:2", fps=2.0, geometry="centre", version=2),
        labels=LABELS,
        thresholds=dict.fromkeys(LABELS, 0.5),
        figures=measure(files, LABELS),
        failures=(Failure(BAD_NAME, ErrorInfo(code="media.empty", message="empty.", cure="No.")),),
    )


def printed(evaluation: Evaluation, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    print_evaluation(console, evaluation)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_page_loads_nothing_runs_nothing_and_escapes_names(evaluation: Evaluation) -> None:
    page = render_evaluation(evaluation)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page
    assert re.search(r"(?:src|href)=", page) is None
    assert "default-src 'none'" in html.unescape(page)
    assert page == render_evaluation(evaluation)


def test_the_page_has_every_curve_table_and_mistake(evaluation: Evaluation) -> None:
    page = html.unescape(render_evaluation(evaluation))
    # What nothing shows has no curve.
    assert page.count('<polyline class="curve"') == 2
    assert page.count("<table") == 4
    assert "missed dog" in page
    assert "false dog" in page
    assert "5/5" not in page.split("Files judged")[0]


def test_figures_with_a_calibration_say_that_they_may_be_too_good(evaluation: Evaluation) -> None:
    prompts = evaluation.prompt_set.model_copy(update={"calibration": "d" * 64})
    calibrated = replace(evaluation, prompt_set=prompts)
    caution = "Where calibration dddddddddddd was fitted on these files"
    for written in (render_evaluation, lambda one: printed(one, 200)):
        assert caution in written(calibrated)
        assert caution not in written(evaluation)


def test_a_curve_begins_at_no_recall_and_ends_at_all(evaluation: Evaluation) -> None:
    page = render_evaluation(evaluation)
    [cat, _] = re.findall(r'<polyline class="curve" points="([^"]+)"', page)
    points = [tuple(map(float, pair.split(","))) for pair in cat.split()]
    assert points[0] == (0.0, 0.0)
    assert points[-1][0] == 220.0
    assert all(0 <= x <= 220 and 0 <= y <= 220 for x, y in points)


def test_the_document_has_figures_with_intervals_and_all_that_they_depend_on(
    evaluation: Evaluation,
) -> None:
    document = json.loads(evaluation.to_json())
    assert document["schema"] == "clipwarden.evaluation/1"
    assert document["model"]["key"] == "k" * 16
    assert document["truth"] == {"file": "truth.json", "sha256": "a" * 64}
    assert document["intervals"]["resamples"] == 1000
    assert document["failed"][0]["error"]["code"] == "media.empty"
    [cat, dog] = document["labels"]
    assert cat["files"]["recall"]["value"] == 1.0
    assert cat["files"]["recall"]["low"] == pytest.approx(0.025 ** (1 / 4), abs=1e-6)
    assert dog["files"]["recall"] == {"value": 0.0, "low": None, "high": None, "n": 1.0}
    assert document["overall"]["scenes"]["false_alarms"] == 1
    kinds = [(one["kind"], one["label"], one["hard"]) for one in document["mistakes"]]
    assert kinds == [
        ("false_alarm", "dog", False),
        ("missed", "dog", True),
        ("missed", "dog", False),
    ]


@pytest.mark.parametrize("width", [40, 60, 200])
def test_a_terminal_of_any_width_gets_every_figure_whole(
    evaluation: Evaluation, width: int
) -> None:
    text = printed(evaluation, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for figure in ("1.00 (0.40–1.00)", "00:04.500–00:07.000 false dog, 0.90", "media.empty"):
        assert figure in words
    assert "alert(1)</script>\\u202egpj.mp4" in text.replace("\n", "")
