"""`clipwarden evaluate` as a user runs it, on real clips."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from clipwarden.data_folder import DataFolder
from ingest.database import Database
from tests.clips import RED, real_clip, write_scenes
from tests.clipwarden.command import Product
from worker.tables import Embedding

STARTER = ("--model", "starter", "--prompts", "standin")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A folder with a clip of a man in a suit, and one of nothing but red."""
    folder = tmp_path / "media"
    folder.mkdir()
    shutil.copy(real_clip("carphone_pristine.mp4"), folder / "suit.mp4")
    write_scenes(folder / "red.mp4", [(RED, 3.0)])
    return folder


def embedders(product: Product) -> list[str]:
    database = Database(DataFolder(product.data).database_url)
    with database.read() as session:
        found = sorted(row.embedded_by for row in session.query(Embedding))
    database.close()
    return found


@pytest.mark.slow
def test_clips_are_measured_and_what_is_stored_is_not_embedded_again(
    product: Product, media: Path, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text(
        "file,start_s,end_s,labels\nsuit.mp4,0,4,costume\nred.mp4,0,3,\nmissing.mp4,,,\n"
    )
    report = tmp_path / "report.html"
    words = ("evaluate", *STARTER, "--truth", truth, "--media", media, "--map", "costume=suit")
    done = product.run(*words, "--format", "json", "--report", report)
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert (document["videos"], document["pictures"]) == (2, 0)
    assert [one["error"]["code"] for one in document["failed"]] == ["media.not_found"]
    overall = document["overall"]["scenes"]
    assert (overall["recall"]["value"], overall["precision"]["value"]) == (1.0, 1.0)
    assert overall["clean_scene_alarm_rate"]["value"] == 0.0
    assert overall["start_error_ms"]["value"] == 0.0
    assert overall["temporal_iou"]["value"] > 0.9
    [suit] = document["labels"]
    assert suit["label"] == "suit"
    assert suit["curve"]["roc_auc"]["value"] == 1.0
    assert (suit["curve"]["positives"], suit["curve"]["negatives"]) == (8, 6)
    assert document["mistakes"] == []
    assert document["prompt_set"]["calibration"] is None
    assert "suit" in report.read_text()

    before = embedders(product)
    table = product.run(*words, "--only", "fruit")
    assert table.returncode == 3, table.stderr
    assert "2 videos against truth.csv" in table.stdout
    assert "No mistakes." in table.stdout
    assert embedders(product) == before != []


@pytest.mark.parametrize(
    ("words", "code", "mentions"),
    [
        ((), "truth.unknown_labels", "--map costume="),
        (("--media", "/"), "truth.media_missing", "--media DIR"),
        (("--ignore-unknown", "--calibration", "none.json"), "prompts.invalid_calibration", "auto"),
    ],
)
def test_what_is_wrong_is_told_on_one_line_before_any_work(
    product: Product, tmp_path: Path, words: tuple[str, ...], code: str, mentions: str
) -> None:
    truth = tmp_path / "truth.json"
    tags = [] if "--media" in words else ["costume"]
    truth.write_text(json.dumps([{"file": "only-here.jpg", "labels": tags}]))
    (tmp_path / "only-here.jpg").touch()
    done = product.run("evaluate", *STARTER, "--truth", truth, *words)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith(f"error[{code}]: ")
    assert done.stderr.count("\n") == 1
    assert mentions in done.stderr
    assert not product.data.exists()
