"""The benchmark of scoring: every way has a row, and all of them the same margins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clipwarden.bench.score import ScorePlan, measure
from tests.clipwarden.command import Product


def test_each_way_is_timed_over_all_frames() -> None:
    told: list[str] = []
    report = measure(ScorePlan(frames=70_000, prompts=40, dimension=16, repeats=2), told.append)
    names = [step.name for step in report.steps]
    assert names == [
        "matrix product alone",
        "margins",
        "margins, confidences, segments",
        "label by label",
    ]
    assert len(told) == 8
    assert report.steps[0].ratio == 1
    for step in report.steps:
        assert step.frames_per_s == pytest.approx(70_000 / step.seconds)
    assert report.labels == 4


def test_the_command_prints_a_table_and_json(product: Product, tmp_path: Path) -> None:
    asked = ("bench", "score", "--frames", "2000", "--prompts", "20", "--repeats", "1")
    table = product.run(*asked)
    assert "label by label" in table.stdout
    assert "20 prompts, 2 labels" in table.stdout
    found = json.loads(product.run(*asked, "--json").stdout)
    assert found["steps"][0]["name"] == "matrix product alone"
    assert found["plan"]["frames"] == 2000
