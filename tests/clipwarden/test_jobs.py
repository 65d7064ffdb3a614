"""What is asked of submissions that are there: cancel, retry, repair, purge."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from clipwarden.report.wording import short_hash
from ingest.database import Base
from ingest.keys import work_pixels
from ingest.stores import Stores
from ingest.submissions import find_submission
from ingest.works import work_of
from tests.clips import BLUE, GREEN, RED, write_scenes
from tests.clipwarden.command import wait_for
from tests.clipwarden.served import Served


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for all tests of this module: each brings videos of its own."""
    service = Served(tmp_path_factory.mktemp("served") / "data")
    with service.serving():
        yield service


def write_long(path: Path) -> Path:
    """At 20 frames a second it keeps the starter busy for minutes."""
    return write_scenes(path, [(GREEN, 200)], fps=20, width=64, height=48)


def traces(stores: Stores, submission_id: str) -> list[object]:
    """What is left of a submission's work on the queue and of its pixels."""
    work = work_of(find_submission(stores.database, "default", submission_id))
    jobs = [str(key) for key in stores.redis.scan_iter("rq:job:*", count=1000)]
    leases = [
        str(member)
        for key in stores.redis.scan_iter("rq:wip:*", count=1000)
        for member in stores.redis.zrange(key, 0, -1)
    ]
    pixels = stores.blobs.children(work_pixels(work))
    return [*(one for one in (*leases, *jobs) if work.id in one), *pixels]


def test_cancel_ends_a_running_video_and_retry_a_failed_one(
    service: Served, tmp_path: Path
) -> None:
    running = service.submit(
        "--priority", "high", "--sample", "fps:20", write_long(tmp_path / "long.mp4")
    )
    service.wait_for_frames(running)
    clip = write_scenes(tmp_path / "clip.mp4", [(RED, 2.0)])
    # The one sampling process is at the other video: this one's file is gone when its turn comes.
    failing = service.submit("--in-place", clip)
    kept = clip.rename(tmp_path / "kept.mp4")

    done = service.product.run("cancel", running[:16], "0123456789", failing[:4] + "zz")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith(f"{running}  cancelled")
    assert [line.partition("]")[0] for line in done.stderr.splitlines()] == [
        "error[submission.not_found"
    ] * 2
    with service.stores() as stores:
        assert traces(stores, running) == []
        assert service.submission(running).status == "cancelled"
        frames = service.frames("embed")

        service.run("status", "--watch", failing)
        assert traces(stores, running) == []
    assert service.frames("embed") == frames
    [dead] = service.json("status", "--state", "failed")["submissions"]
    assert (dead["id"], dead["error"]["code"]) == (failing, "media.not_found")
    assert service.error("cancel", failing).startswith("error[submission.ended]")

    kept.rename(clip)
    assert service.run("retry", "--all-failed").startswith(f"{failing}  queued")
    assert service.json("results", "--wait", failing)["status"] == "done"
    assert service.run("retry", "--all-failed") == "nothing has failed\n"
    assert service.error("retry", failing).startswith("error[submission.not_ended]")


def test_repair_sets_out_again_what_a_wiped_queue_lost(service: Served, tmp_path: Path) -> None:
    clip = write_scenes(tmp_path / "wiped.mp4", [(BLUE, 20)], fps=20, width=64, height=48)
    submission_id = service.submit("--sample", "fps:10", clip)
    service.wait_for_frames(submission_id)
    with service.stores() as stores:
        stores.redis.flushall()
    shown = service.run("repair")
    assert shown.startswith(f"{submission_id}  queued again")
    assert shown.endswith("1 unfinished, 1 of them were lost\n")
    document = service.json("results", "--wait", submission_id)
    assert document["status"] == "done"
    assert document["video"]["frames_embedded"] == 200
    assert service.run("repair") == "0 unfinished, 0 of them were lost\n"


def everything_stored(stores: Stores) -> list[tuple[Any, ...]]:
    with stores.database.read() as session:
        return [
            tuple(row)
            for table in Base.metadata.sorted_tables
            for row in session.execute(select(table))
        ]


def test_purge_leaves_no_row_blob_or_report_of_the_content(service: Served, tmp_path: Path) -> None:
    clip = write_scenes(tmp_path / "secret.mp4", [(RED, 1.0), (GREEN, 1.0)])
    other = write_scenes(tmp_path / "other.mp4", [(BLUE, 1.0), (GREEN, 1.0)])
    document = service.json("analyze", "--model", "starter", clip)
    kept = service.json("analyze", "--model", "starter", other)
    sha256 = document["video"]["sha256"]
    again = service.submit("--wait", Path(shutil.copy(clip, tmp_path / "namesake.mp4")))

    done = service.product.run("purge", again)
    assert done.returncode == 1
    assert "2 submissions" in done.stderr
    assert "secret.mp4" in done.stderr
    assert "namesake.mp4" in done.stderr
    assert "error[purge.unconfirmed]" in done.stderr
    assert service.submission(again).status == "done"

    service.run("purge", "--yes", again)
    marks = (sha256, again, document["video"]["id"])
    with service.stores() as stores:
        texts = [str(row) for row in everything_stored(stores)]
        keys = [str(key) for key in stores.redis.scan_iter("*", count=1000)]
    assert not [text for text in (*texts, *keys) if any(mark in text for mark in marks)]
    files = [path for path in service.folder.blobs.rglob("*") if path.is_file()]
    assert not [path for path in files if sha256 in str(path)]
    reports = [path.read_text() for path in service.folder.reports.iterdir()]
    assert not [text for text in reports if short_hash(sha256) in text or "secret.mp4" in text]

    assert any(short_hash(kept["video"]["sha256"]) in text for text in reports)
    assert service.json("results", kept["video"]["id"]) == kept
    for name in (again, sha256):
        assert service.error("purge", "--yes", name).startswith("error[submission.not_found]")


def test_purge_ends_what_is_being_worked_on(service: Served, tmp_path: Path) -> None:
    clip = write_long(tmp_path / "purged.mp4")
    submission = service.json("submit", "--sample", "fps:20", clip)
    watch = service.product.start("status", "--watch", submission["id"])
    service.wait_for_frames(submission["id"])
    service.run("purge", "--yes", submission["media_sha256"])
    watch.communicate(timeout=60)
    assert watch.returncode == 0
    with service.stores() as stores:
        wait_for(lambda: not list(stores.redis.scan_iter("rq:job:*", count=1000)))
    # A worker that let go late would have written by now.
    files = [path for path in service.folder.blobs.rglob("*") if path.is_file()]
    assert not [path for path in files if submission["media_sha256"] in str(path)]
