"""`clipwarden calibrate` and `clipwarden calibrations` as a user runs them, on real clips."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
from typer import BadParameter

from clipwarden.cli.calibrate_options import given_priors, wanted_thresholds
from prompts.calibration import Calibration
from prompts.loader import load_prompt_set
from tests.clips import RED, real_clip, write_scenes
from tests.clipwarden.command import Product

STARTER = ("--model", "starter", "--prompts", "standin", "--sample", "fps:5")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A man in a suit, and nothing but red, with a truth of some scenes each."""
    folder = tmp_path / "media"
    folder.mkdir()
    shutil.copy(real_clip("carphone_pristine.mp4"), folder / "suit.mp4")
    write_scenes(folder / "red.mp4", [(RED, 4.0)])
    scenes = [
        {"video": "suit.mp4", "scenes": [scene(at, ["suit"]) for at in range(4)]},
        {"video": "red.mp4", "scenes": [scene(at, []) for at in range(4)]},
    ]
    (folder / "truth.json").write_text(json.dumps(scenes))
    return folder


def scene(start_s: int, labels: list[str]) -> dict[str, object]:
    return {"start_s": start_s, "end_s": start_s + 1, "labels": labels}


def listed(product: Product) -> list[dict[str, object]]:
    done = product.run("calibrations", "list", "--format", "json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_clips_are_fitted_to_and_results_name_the_calibration(
    product: Product, media: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    words = ("calibrate", *STARTER, "--truth", media / "truth.json", "--only", "suit")
    done = product.run(*words, "--target-precision", "0.9", "--report", report)
    assert done.returncode == 0, done.stderr
    assert "Calibration error of all labels:" in done.stdout
    assert "suit" in done.stdout
    assert "in use from now on" in done.stdout
    # Written beside the user's other files, as nobody named one.
    written = tmp_path / "standin-starter.calibration.json"
    calibration = Calibration.parse(written.read_bytes())
    assert (calibration.sampling, calibration.model_id) == ("fps:5", "starter")
    suit = calibration.labels["suit"]
    assert suit.positives >= 12
    assert suit.negatives >= 12
    assert suit.threshold is not None
    assert suit.measured["precision"] == 1.0
    assert "Margins of suit" in report.read_text()
    assert [(one["sha256"], one["is_active"]) for one in listed(product)] == [
        (calibration.sha256, True)
    ]

    document = product.analyze(*STARTER[2:], "--no-report", media / "suit.mp4")
    assert document["prompt_sets"][0]["calibration"] == calibration.sha256

    short = calibration.sha256[:8]
    assert product.run("calibrations", "drop", short).returncode == 0
    assert [one["is_active"] for one in listed(product)] == [False]
    assert product.run("calibrations", "use", written).returncode == 0
    assert [one["is_active"] for one in listed(product)] == [True]
    unknown = product.run("calibrations", "use", "f00dcafe")
    assert unknown.returncode != 0
    assert unknown.stderr.startswith("error[calibration.unknown]: ")


@pytest.mark.slow
def test_a_truth_that_shows_too_little_ends_with_the_cure_and_writes_nothing(
    product: Product, media: Path, tmp_path: Path
) -> None:
    truth = media / "clean.json"
    truth.write_text(json.dumps([{"video": "red.mp4", "labels": []}]))
    done = product.run("calibrate", *STARTER, "--truth", truth, "--output", tmp_path / "c.json")
    assert done.returncode == 1, done.stderr
    assert "error[calibration.too_few_examples]: " in done.stderr
    assert "at least 3 scenes" in done.stderr
    assert not (tmp_path / "c.json").exists()
    assert listed(product) == []


@pytest.mark.parametrize(
    ("given", "mentions"),
    [
        ((0.9, 0.9, None), "one target only"),
        ((1.5, None, None), "can't be the target"),
        ((None, None, -1.0), "can't be the target"),
        ((None, None, math.nan), "can't be the target"),
        ((None, None, math.inf), "can't be the target"),
    ],
)
def test_thresholds_that_can_t_be_wanted_are_refused(
    given: tuple[float | None, float | None, float | None], mentions: str
) -> None:
    with pytest.raises(BadParameter, match=mentions):
        wanted_thresholds(*given)


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("sui=0.1", "no label"),
        ("suit=2", "between 0 and 1"),
        ("suit=nan", "between 0 and 1"),
        ("suit", "between 0 and 1"),
    ],
)
def test_rates_that_can_t_be_are_refused(text: str, mentions: str) -> None:
    with pytest.raises(BadParameter, match=mentions):
        given_priors([text], load_prompt_set("standin"))


def test_what_is_wrong_is_told_before_any_work(product: Product, media: Path) -> None:
    words = ("--truth", media / "truth.json", "--target-precision", "1.5")
    done = product.run("calibrate", *STARTER, *words)
    assert done.returncode == 2
    assert "can't be the target" in " ".join(done.stderr.replace("│", " ").split())
    assert not product.data.exists()
