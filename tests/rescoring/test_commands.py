"""`clipwarden rescore` and `diff` as a user runs them: without a service, and beside one."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from clipwarden.calibration_choice import CalibrationChoice
from ingest.blobs import BlobStore
from ingest.database import Database
from ingest.keys import text_vectors_key
from ingest.settings import StoreSettings
from ingest.tables import DEFAULT_TENANT, Submission
from tests.clips import BLUE, RED, write_scenes
from tests.clipwarden.command import CLIPWARDEN, Product, wait_for
from tests.clipwarden.served import Served
from tests.rescoring.scored_anew import (
    embed_texts,
    everything_stored,
    finished_by_hand,
    rescorer,
)
from tests.worker.chain import COLOUR_SET, Chain
from tests.worker.fake_encoder import FAKE_CARD
from worker.tables import Embedding, Result
from worker.versions import Version, versions_of

pytestmark = pytest.mark.slow

SET = """
name: colours
version: "{version}"
description: Colours of a fake model.
templates: ["{{}}"]
contrast: [grey]
labels:
  - id: blue
    prompts: [blue]
  - id: green
    prompts: [green]
  - id: red
    prompts: [red]
    threshold: {threshold}
    exit_threshold: {threshold}
"""


@pytest.fixture
def product(chain: Chain, store_settings: StoreSettings, tmp_path: Path) -> Iterator[Product]:
    """Commands that work on the chain's stores, with nobody serving them."""
    environment = {
        "REDIS_URL": store_settings.redis_url.get_secret_value(),
        "COLUMNS": "60",
    }
    product = Product(tmp_path / "data", environment)
    yield product
    assert list(product.processes()) == []


@pytest.fixture
def stricter(tmp_path: Path) -> Path:
    """The chain's set with a threshold for red that nothing reaches; its texts are the same."""
    path = tmp_path / "stricter.yaml"
    path.write_text(SET.format(version="2", threshold=0.999))
    return path


@pytest.fixture
def videos(chain: Chain) -> Chain:
    """A red and a blue video that are analysed by the chain's set."""
    embed_texts(chain, COLOUR_SET)
    for colour in ("red", "blue"):
        finished_by_hand(chain, f"{colour}.mp4", [colour] * 50)
    return chain


def run(product: Product, *words: str | Path, status: int = 0) -> str:
    done = product.run(*words)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status in (0, 3) else done.stdout + done.stderr


def test_a_preview_comes_first_and_without_yes_nothing_is_stored(
    videos: Chain, product: Product, stricter: Path
) -> None:
    before = everything_stored(videos)
    told = run(product, "rescore", "--prompts", stricter, "--dry-run")
    assert "2 videos: 0 would be newly flagged, 1 no longer, 1 with another action" in told
    assert "red.mp4" in told
    assert "blue.mp4" not in told
    assert everything_stored(videos) == before
    told = run(product, "rescore", "--prompts", stricter, status=1)
    assert "2 videos: 0 would be newly flagged" in told
    assert "error[rescore.unconfirmed]: nothing was stored" in told
    assert "--yes" in told
    assert everything_stored(videos) == before


def test_on_a_terminal_it_asks(videos: Chain, product: Product, stricter: Path) -> None:
    for answer, results in (("n", 2), ("y", 4)):
        ours, theirs = pty.openpty()
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [CLIPWARDEN, "rescore", "--prompts", stricter],
            env=os.environ | {"CLIPWARDEN_DATA": str(product.data)} | product.environment,
            stdin=theirs,
            capture_output=True,
            text=True,
            check=False,
        )
        os.close(ours)
        os.close(theirs)
        assert "Store these results?" in done.stderr
        assert done.returncode == (0 if answer == "y" else 1)
        assert len(videos.rows(Result)) == results


def test_stored_versions_are_shown_listed_and_compared(
    videos: Chain, product: Product, stricter: Path
) -> None:
    document = json.loads(
        run(product, "rescore", "-p", stricter, "--yes", "--where", "source=red*", "-f", "json")
    )
    assert document["stored"] == {"videos": 1, "left": 0, "vanished": 0, "shown": False}
    assert document["preview"]["counts"]["no_longer_flagged"] == 1
    listed = json.loads(run(product, "diff", "--format", "json"))["versions"]
    assert [(one["version"], one["videos"], one["shown_by"]) for one in listed] == [
        ("2", 1, 0),
        ("1", 2, 2),
    ]
    assert "colours 2, uncalibrated" in run(product, "diff", "--versions")
    told = run(product, "diff", "colours@1", "colours@2")
    assert "1 video: 0 newly flagged, 1 no longer" in told
    assert "- red 0:00.0-0:02.0" in told
    assert "1 video scored by the old alone" in told
    [row] = [row for row in submissions(videos) if row.source == "red.mp4"]
    shown = json.loads(run(product, "results", "--version", "colours@2", row.id, "-f", "json"))
    assert (shown["prompt_sets"][0]["version"], shown["segments"]) == ("2", [])
    error = run(product, "diff", "colours@1", "colours@2", "--label", "rde", status=2)
    assert "There are blue, green, red" in " ".join(error.replace("│", " ").split())
    error = run(product, "diff", "colours", "colours@2", status=1)
    assert "error[rescore.version_unknown]: results of several versions" in error
    assert versions_of(row) == [Version(COLOUR_SET.sha256)]
    run(product, "rescore", "-p", stricter, "--yes", "--current", "--quiet")
    shown = {versions_of(row)[0].prompt_set_sha256 for row in submissions(videos)}
    assert shown == {listed[0]["sha256"]}


def submissions(chain: Chain) -> list[Submission]:
    return chain.rows(Submission)


def test_what_is_written_wrong_is_told_before_anything_is_done(
    videos: Chain, product: Product, stricter: Path
) -> None:
    for words, told in (
        (["--where", "colour=red"], "KEY is one of label"),
        (["--where", "label=weapons"], "They know blue, green, red"),
        (["--model", "starter"], f"There are videos of fake ({FAKE_CARD.key})"),
        (["--calibration", "abcdef012345"], "no stored calibration begins with abcdef012345"),
    ):
        error = run(product, "rescore", "--prompts", stricter, "--dry-run", *words, status=2)
        assert told in " ".join(error.replace("│", " ").split())
    error = run(product, "diff", "colours", status=2)
    assert "name two versions" in error


def test_what_can_t_be_scored_is_listed_and_the_status_says_so(
    videos: Chain, product: Product, stricter: Path
) -> None:
    videos.stores.blobs.delete(videos.rows(Embedding)[0].blob_key)
    told = run(product, "rescore", "-p", stricter, "--yes", status=3)
    assert "1 result stored" in told
    assert "Not to be scored: 1 video" in told
    assert f"clipwarden analyze --prompts {stricter}" in " ".join(told.split())
    assert "error[worker.embeddings_missing]" in told


def test_killed_in_the_middle_it_is_finished_by_another_run(
    videos: Chain, product: Product, stricter: Path
) -> None:
    ready = rescorer(videos.stores, COLOUR_SET, CalibrationChoice("none"))
    for number in range(200):
        finished_by_hand(videos, f"{number}.mp4", ["red", "blue"] * 10, ready=ready)
    before = len(videos.rows(Result))
    process = product.start("rescore", "-p", stricter, "--yes", "--current")
    wait_for(lambda: len(videos.rows(Result)) > before + 3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    stored = len(videos.rows(Result)) - before
    assert 3 < stored < before
    shown = [versions_of(row)[0].prompt_set_sha256 for row in submissions(videos)]
    # Each of them whole: at most the last one is stored and not shown yet.
    assert stored - 1 <= sum(one != COLOUR_SET.sha256 for one in shown) <= stored
    run(product, "rescore", "-p", stricter, "--yes", "--current")
    assert len(videos.rows(Result)) == 2 * before
    shown = [versions_of(row)[0].prompt_set_sha256 for row in submissions(videos)]
    assert COLOUR_SET.sha256 not in shown


THINGS = """
name: things
version: "{version}"
description: Everyday things.
contrast: [a plain surface, a blur]
labels:
  - id: {label}
    prompts: [{prompt}]
    threshold: 0.02
    exit_threshold: 0.02
"""


def things(path: Path, version: str, label: str, prompt: str) -> Path:
    path.write_text(THINGS.format(version=version, label=label, prompt=prompt))
    return path


def test_beside_a_service_and_after_it_texts_are_embedded_alike(tmp_path: Path) -> None:
    service = Served(tmp_path / "data")
    first = things(tmp_path / "first.yaml", "1", "colour", "a red wall")
    second = things(tmp_path / "second.yaml", "2", "animal", "a cat")
    third = things(tmp_path / "third.yaml", "3", "drink", "a cup of coffee")
    clip = write_scenes(tmp_path / "clip.mp4", [(RED, 2), (BLUE, 2)])
    with service.serving():
        submitted = service.submit("--prompts", first, "--wait", clip)
        document = service.json("rescore", "--prompts", second, "--yes")
        assert document["stored"]["videos"] == 1
        shown = service.json("results", "--version", "things@2", submitted)
        assert shown["prompt_sets"][0]["version"] == "2"
        assert service.json("results", submitted)["prompt_sets"][0]["version"] == "1"
        assert service.json("diff", "things@1", "things@2:none")["counts"]["videos"] == 1
        error = service.error("results", "--version", "things", submitted)
        assert error.startswith("error[rescore.version_unknown]")

    document = service.json("rescore", "--prompts", third, "--yes", "--current")
    assert document["stored"] == {"videos": 1, "left": 0, "vanished": 0, "shown": True}
    [version] = document["versions"]
    key = text_vectors_key(DEFAULT_TENANT, shown["model"]["key"], version["sha256"])
    blobs = BlobStore(service.folder.blob_url)
    ours = blobs.read(key), scores_of(service, "3")
    blobs.delete(key)
    forget_results(service)
    service.json("analyze", "--model", "starter", "--prompts", third, clip)
    assert (blobs.read(key), scores_of(service, "3")) == ours


def scores_of(service: Served, version: str) -> str:
    """The hash of the scores by a version of the prompt set."""
    database = Database(service.folder.database_url)
    with database.read() as session:
        query = select(Result.scores_sha256).where(Result.prompt_set_version == version)
        found = session.scalars(query).one()
    database.close()
    return found


def forget_results(service: Served) -> None:
    database = Database(service.folder.database_url)
    with database.begin() as session:
        for row in session.scalars(select(Result)):
            session.delete(row)
    database.close()
