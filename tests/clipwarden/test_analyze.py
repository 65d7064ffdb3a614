"""The main job, as a user runs it: real videos in, segments and flags out."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
import subprocess
from pathlib import Path

import jsonschema
import pytest
from sqlalchemy import select

from clipwarden.data_folder import DataFolder
from clipwarden.migrations import migrate
from ingest.blobs import BlobStore
from ingest.claiming import claim_blobs
from ingest.database import Database, sqlite_url
from ingest.queue.connection import claim_server
from ingest.settings import StoreSettings
from ingest.stores import Stores
from ingest.submissions import InPlace, find_submission
from ingest.tables import Sampling, Submission
from tests.clips import RED, real_clip, write_scenes
from tests.clipwarden.command import Product
from tests.drawn import SCENES, write_clock_at_the_edge, write_drawn
from tests.encoders.tiny_models import clip_folder
from tests.ingest.submitting import OTHER_WORK, submit_to
from worker.document import ResultDocument
from worker.tables import Embedding

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "docs" / "result-1.schema.json"


def stored_embeddings(product: Product) -> list[Embedding]:
    database = Database(DataFolder(product.data).database_url)
    with database.read() as session:
        rows = list(session.scalars(select(Embedding)))
        session.expunge_all()
    database.close()
    return rows


def test_a_stand_in_label_is_flagged_from_end_to_end(product: Product) -> None:
    clip = real_clip("carphone_pristine.mp4")
    document = product.analyze("--prompts", "standin", clip)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert document["status"] == "done"
    assert document["flags"]["nsfw"] is True
    [reason] = document["flags"].pop("reasons")
    assert document["flags"] == {"nsfw": True, "action": "block", "labels": ["suit"]}
    assert (reason["labels"], reason["segments"], reason["rule"]) == (["suit"], [0], None)
    [segment] = document["segments"]
    assert segment["explanation"]["because"].startswith('"')
    assert not segment["explanation"]["calibrated"]
    assert (segment["start_ms"], segment["end_ms"]) == (0, document["video"]["duration_ms"])
    assert document["video"]["duration_ms"] == pytest.approx(4_000, abs=50)
    assert document["video"]["frames_sampled"] == document["video"]["frames_embedded"] == 8
    assert document["sampling"] == {
        "strategy": "fps",
        "spec": "fps:2",
        "fps": 2.0,
        "geometry": "centre-260-bicubic",
        "version": 2,
    }
    assert segment["start_ms"] <= segment["peak_ms"] < segment["end_ms"]
    assert segment["mean_confidence"] <= segment["confidence"]


def test_the_work_is_batched_and_crosses_processes(product: Product, tmp_path: Path) -> None:
    clip = write_scenes(tmp_path / "red.mp4", [(RED, 20.0)])
    process = product.start(
        "analyze", "--model", "starter", "--sample", "fps:5", "--batch-size", "16", clip
    )
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    embeddings = stored_embeddings(product)
    assert [row.frames for row in embeddings] == [64, 36]
    assert all(row.batches == math.ceil(row.frames / 16) for row in embeddings)
    database = Database(DataFolder(product.data).database_url)
    with database.read() as session:
        sampled_by = session.scalars(select(Sampling.sampled_by)).one()
    database.close()
    pids = {sampled_by.split(":")[1], embeddings[0].embedded_by.split(":")[1], str(process.pid)}
    assert len(pids) == 3


def test_a_second_run_and_a_new_prompt_set_embed_nothing_again(product: Product) -> None:
    clip = real_clip("carphone_pristine.mp4")
    first = product.analyze("--prompts", "standin", clip)
    before = stored_embeddings(product)
    again = product.analyze("--prompts", "standin", "--prompts", "scenes", clip)
    after = stored_embeddings(product)
    assert [row.embedded_by for row in after] == [row.embedded_by for row in before]
    assert [one["name"] for one in again["prompt_sets"]] == ["standin", "scenes"]
    standin = [one for one in again["segments"] if one["prompt_set"] == "standin"]
    assert standin == first["segments"] != []
    pixels = [path for path in (product.data / "blobs").rglob("pixels/**/*") if path.is_file()]
    assert pixels == []


def test_bad_inputs_fail_alone_with_one_clear_line_each(product: Product, tmp_path: Path) -> None:
    good = write_scenes(tmp_path / "good.mp4", [(RED, 1.0)])
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    (tmp_path / "folder.mp4").mkdir()
    names = ["missing.mp4", "empty.mp4", "text.mp4", "folder.mp4"]
    report = tmp_path / "report.html"
    done = product.run(
        "analyze", "--model", "starter", "--format", "jsonl", "--report", report,
        *(tmp_path / name for name in names), good,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    documents = {
        Path(document["video"]["source"]).name: document
        for document in map(json.loads, done.stdout.splitlines())
    }
    codes = [documents[name]["error"]["code"] for name in names]
    assert codes == ["media.not_found", "media.empty", "media.unreadable", "media.is_folder"]
    for name in names:
        error = documents[name]["error"]
        assert documents[name]["status"] == "failed"
        assert name in error["message"]
        assert error["cure"]
        assert "\n" not in error["message"] + error["cure"]
    assert documents["good.mp4"]["status"] == "done"
    assert all(name in report.read_text() for name in [*names, "good.mp4"])


def test_bad_inputs_in_a_table_are_one_line_each(product: Product, tmp_path: Path) -> None:
    done = product.run("analyze", "--model", "starter", tmp_path / "missing.mp4")
    assert done.returncode == 3
    assert done.stdout.count("error[media.not_found]") == 1
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "code", "mentions"),
    [
        (["--prompts", "nonsense"], "prompts.unknown_set", "moderation"),
        (["--prompts", "no/such.yaml"], "prompts.unknown_set", "no/such.yaml"),
        (["--model", "nonsense"], "model.unknown", "starter"),
        (["--model", "./no-such-folder"], "model.unknown", "no-such-folder"),
        (["--sample", "fps:0"], "sampling.invalid", "fps:60"),
        (["--sample", "often"], "sampling.invalid", "fps:2"),
    ],
)
def test_a_wrong_command_line_is_one_clear_line_before_any_work(
    product: Product, words: list[str], code: str, mentions: str
) -> None:
    done = product.run("analyze", "--model", "starter", *words, real_clip("bikes.mp4"))
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith(f"error[{code}]: ")
    assert mentions in line
    assert not product.data.exists()


def test_a_prompt_set_with_an_unknown_key_names_file_line_key_and_cure(
    product: Product, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: mine\nversion: '1'\ndescription: d\ncontrast: [a wall]\n"
        "labels:\n  - id: cats\n    prompts: [a cat]\n    treshold: 0.4\n"
    )
    done = product.run("analyze", "--model", "starter", "--prompts", file, real_clip("bikes.mp4"))
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    for words in ("prompts.invalid_set", "mine.yaml", "line 8", "treshold", "threshold"):
        assert words in line


def test_an_unknown_option_is_a_usage_error(product: Product) -> None:
    done = product.run("analyze", "--nonsense", "x.mp4")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_several_inputs_give_an_array_or_a_file_each(product: Product, tmp_path: Path) -> None:
    clips = [write_scenes(tmp_path / f"{name}.mp4", [(RED, 1.0)]) for name in ("one", "two")]
    documents = product.analyze(*clips)
    assert [Path(one["video"]["source"]).stem for one in documents] == ["one", "two"]
    done = product.run(
        "analyze", "--model", "starter", "--format", "json", "-o", f"{tmp_path}/results/", *clips
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    for name in ("one", "two"):
        document = ResultDocument.model_validate_json(
            (tmp_path / "results" / f"{name}.json").read_text()
        )
        assert document.status == "done"


def test_a_name_that_is_no_text_is_analysed_and_shown_escaped(
    product: Product, tmp_path: Path
) -> None:
    clip = write_scenes(tmp_path / "red.mp4", [(RED, 1.0)])
    hostile = clip.rename(tmp_path / "\udcff\x1b[31m<script>.mp4")
    document = product.analyze(hostile)
    assert document["status"] == "done"
    assert document["video"]["source"].endswith("\\xff\x1b[31m<script>.mp4")
    shown = product.run("analyze", "--model", "starter", hostile)
    assert shown.returncode == 0, shown.stderr
    assert "\x1b[31m" not in shown.stdout


def test_a_worker_module_in_the_users_folder_is_not_imported(
    product: Product, tmp_path: Path
) -> None:
    for package in ("worker", "ingest", "prompts", "torch"):
        (tmp_path / f"{package}.py").write_text("raise SystemExit('the wrong module')\n")
    clip = write_scenes(tmp_path / "red.mp4", [(RED, 1.0)])
    done = product.run("analyze", "--model", "starter", clip, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_pipe_gets_results_and_nothing_else(product: Product, tmp_path: Path) -> None:
    clip = write_scenes(tmp_path / "red.mp4", [(RED, 1.0)])
    done = product.run("analyze", "--model", "starter", "--format", "json", "--no-report", clip)
    assert json.loads(done.stdout)["status"] == "done"
    assert done.stderr == ""


def test_an_external_queue_server_is_used_and_left_running(
    product: Product, tmp_path: Path, stores: Stores, queue_server: str
) -> None:
    assert stores.redis.dbsize() == 0
    clip = write_scenes(tmp_path / "red.mp4", [(RED, 1.0)])
    product.environment["REDIS_URL"] = queue_server
    assert product.analyze(clip)["status"] == "done"
    assert not list((product.data / "queue").iterdir())


def test_a_queue_server_that_is_not_there_is_one_clear_line(
    product: Product, tmp_path: Path
) -> None:
    clip = write_scenes(tmp_path / "red.mp4", [(RED, 1.0)])
    product.environment["REDIS_URL"] = "redis://user:secret@127.0.0.1:1/0"
    done = product.run("analyze", "--model", "starter", clip)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error[queue.unavailable]")
    assert "secret" not in line


def test_two_runs_at_once_on_one_folder_are_refused(product: Product, tmp_path: Path) -> None:
    clip = write_scenes(tmp_path / "red.mp4", [(RED, 1.0)])
    folder = DataFolder.prepare(product.data)
    with folder.lock():
        done = product.run("analyze", "--model", "starter", clip)
    assert done.returncode == 1
    assert "error[data.in_use]" in done.stderr
    assert product.analyze(clip)["status"] == "done"


def set_up(stores: Stores, database_url: str, blobs: Path) -> None:
    """Prepare stores that are named by URLs, as `serve` does: `analyze` only joins them."""
    named = Stores(stores.redis, Database(database_url), BlobStore(str(blobs)))
    migrate(named.database)
    claim_blobs(named)
    named.database.close()


def test_stores_of_another_place_are_used(product: Product, tmp_path: Path, stores: Stores) -> None:
    clip = write_scenes(tmp_path / "red.mp4", [(RED, 1.0)])
    blobs, database = tmp_path / "blobs", tmp_path / "elsewhere.db"
    words = ("--blob-url", blobs, "--database-url", sqlite_url(database))
    set_up(stores, sqlite_url(database), blobs)
    document = product.analyze(*words, clip)
    assert document["status"] == "done"
    assert list(blobs.rglob("embeddings/**/*.npz"))
    assert database.stat().st_size
    assert not (product.data / "blobs" / "default").exists()


def test_a_named_database_that_nobody_serves_yet_is_not_set_up_by_a_run(
    product: Product, tmp_path: Path
) -> None:
    clip = write_scenes(tmp_path / "red.mp4", [(RED, 1.0)])
    database = tmp_path / "elsewhere.db"
    words = ("--model", "starter", "--database-url", sqlite_url(database), clip)
    done = product.run("analyze", *words)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error[database.outdated]")
    assert "clipwarden serve" in line
    opened = sqlite3.connect(database)
    assert opened.execute("SELECT name FROM sqlite_master").fetchall() == []
    opened.close()


def test_a_run_beside_others_on_the_same_stores_cancels_none_of_other_hosts(
    product: Product, tmp_path: Path, stores: Stores, store_settings: StoreSettings
) -> None:
    theirs = submit_to(stores, in_place=InPlace(tmp_path / "there", "there"), run_id="a" * 32)
    dead = submit_to(stores, OTHER_WORK, in_place=InPlace(tmp_path, "here"), run_id="b" * 32)
    product.environment["REDIS_URL"] = store_settings.redis_url.get_secret_value()
    clip = write_scenes(tmp_path / "red.mp4", [(RED, 1.0)])
    database_url = store_settings.database_url.get_secret_value()
    blobs = ("--blob-url", store_settings.blob_url)
    words = ("--database-url", database_url, *blobs, "--host-name", "here")
    assert product.analyze(*words, clip)["status"] == "done"
    statuses = {
        one: find_submission(stores.database, "default", one).status for one in (theirs, dead)
    }
    assert statuses == {theirs: "queued", dead: "cancelled"}


def test_a_blob_store_without_what_the_database_knows_is_refused(
    product: Product, tmp_path: Path
) -> None:
    clip = write_scenes(tmp_path / "red.mp4", [(RED, 1.0)])
    product.analyze(clip)
    words = ("--model", "starter", "--blob-url", tmp_path / "mistyped", clip)
    done = product.run("analyze", *words)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error[store.not_ours]")


def test_the_database_keeps_the_submission(product: Product, tmp_path: Path) -> None:
    clip = write_scenes(tmp_path / "red.mp4", [(RED, 1.0)])
    document = product.analyze(clip)
    database = Database(DataFolder(product.data).database_url)
    with database.read() as session:
        row = session.scalars(select(Submission)).one()
        assert (row.id, row.status) == (document["video"]["id"], "done")
    database.close()


def test_help_shows_examples_and_is_narrow_safe(product: Product) -> None:
    product.environment["COLUMNS"] = "40"
    done: subprocess.CompletedProcess[str] = product.run("analyze", "--help")
    assert done.returncode == 0
    assert "clipwarden analyze" in " ".join(done.stdout.split())
    assert all(len(line) <= 40 for line in done.stdout.splitlines())


def test_each_drawn_scene_is_found_where_it_is(product: Product, tmp_path: Path) -> None:
    clip = write_drawn(tmp_path / "drawn.mp4")
    document = product.analyze("--prompts", str(ROOT / "docs" / "example.yaml"), clip)
    found = [(one["label"], one["start_ms"], one["end_ms"]) for one in document["segments"]]
    expected, start_ms = [], 0
    for label, length_s in SCENES:
        expected.append((label, start_ms, start_ms + length_s * 1000))
        start_ms += length_s * 1000
    assert [label for label, *_ in found] == [label for label, *_ in expected]
    for (_, start, end), (_, true_start, true_end) in zip(found, expected, strict=True):
        # Half a second lies between two samples; the clip ends one frame before its 20 s.
        assert 0 <= start - true_start < 500
        assert abs(end - true_end) < 500


@pytest.mark.parametrize(("crop", "labels"), [("centre", []), ("whole", ["clock"])])
def test_what_stands_at_the_edge_alone_is_found_where_the_whole_picture_is_seen(
    product: Product, tmp_path: Path, crop: str, labels: list[str]
) -> None:
    clip = write_clock_at_the_edge(tmp_path / "edge.mp4")
    example = str(ROOT / "docs" / "example.yaml")
    document = product.analyze("--prompts", example, "--crop", crop, clip)
    assert [one["label"] for one in document["segments"]] == labels
    assert document["sampling"]["geometry"] == f"{crop}-260-bicubic"


def test_what_stands_at_the_edge_alone_is_found_with_tiles_at_three_times_the_work(
    product: Product, tmp_path: Path
) -> None:
    clip = write_clock_at_the_edge(tmp_path / "edge.mp4")
    example = str(ROOT / "docs" / "example.yaml")
    document = product.analyze("--prompts", example, "--crop", "tiles", clip)
    assert [one["label"] for one in document["segments"]] == ["clock"]
    assert document["video"]["frames_embedded"] == document["video"]["frames_sampled"] == 6
    [row] = stored_embeddings(product)
    # 18 pictures in batches of 8.
    assert (row.frames, row.batches) == (6, 3)


def test_a_clip_model_from_a_folder_is_analysed_with(product: Product, tmp_path: Path) -> None:
    folder = clip_folder(tmp_path / "tiny-clip")
    clip = write_scenes(tmp_path / "red.mp4", [(RED, 2.0)])
    done = product.run("analyze", "--model", folder, "--format", "json", clip)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["model"]["id"] == "tiny-clip"
    assert document["sampling"]["geometry"] == "centre-32-bicubic"
    assert document["video"]["frames_embedded"] == 4
    [row] = stored_embeddings(product)
    assert (row.model_key, row.device) == (document["model"]["key"], "cpu")


def test_deleted_vectors_are_made_anew_in_the_same_run(product: Product) -> None:
    clip = real_clip("carphone_pristine.mp4")
    first = product.analyze("--prompts", "standin", clip)
    shutil.rmtree(product.data / "blobs" / "default" / "embeddings")
    again = product.analyze("--prompts", "standin", clip)
    assert again["segments"] == first["segments"] != []
    [row] = stored_embeddings(product)
    assert list((product.data / "blobs").rglob(Path(row.blob_key).name))


def test_two_installations_do_not_share_a_queue_server(
    product: Product, tmp_path: Path, stores: Stores, queue_server: str
) -> None:
    claim_server(stores.redis, "f" * 32)
    product.environment["REDIS_URL"] = queue_server
    done = product.run(
        "analyze", "--model", "starter", write_scenes(tmp_path / "red.mp4", [(RED, 1.0)])
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error[queue.taken]")
