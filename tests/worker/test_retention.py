"""What is kept is deleted when its time has come, or at once when somebody asks for it."""

from __future__ import annotations

import os
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from ingest.database import Base
from ingest.errors import DatabaseLocked, StillRunning
from ingest.keys import media_key, pixels_key
from ingest.queue.leases import Outcome, settle
from ingest.submissions import announce_media
from ingest.tables import DEFAULT_TENANT, Chunk, Media, Sampling, Status, Submission
from tests.clips import BLUE, write_scenes
from tests.worker.chain import HOST, SAMPLE_QUEUE, Chain, Submitted
from worker import retention
from worker.results import read_document, read_scores
from worker.retention import delete_expired, purge
from worker.settings import Retention
from worker.sweeping import sweep_partial, sweep_pixels
from worker.tables import Embedding, Result, SegmentRow

DAY_S = 24 * 3600.0
ROWS: tuple[type[Base], ...] = (
    Submission, Media, Sampling, Chunk, Embedding, Result, SegmentRow,
)  # fmt: skip


@pytest.fixture
def blue(tmp_path: Path) -> Path:
    return write_scenes(tmp_path / "blue.mp4", [(BLUE, 1.0)], width=64, height=48)


def finished(chain: Chain, path: Path, days_ago: float = 0.0, host: str | None = None) -> Submitted:
    submitted = chain.submit(path, host=host)
    chain.run()
    if days_ago:
        with chain.stores.database.begin() as session:
            row = session.get_one(Submission, (DEFAULT_TENANT, submitted.id))
            row.finished_at = datetime.now(UTC) - timedelta(days=days_ago)
    return submitted


def kinds_left(chain: Chain, submitted: Submitted) -> set[str]:
    """The kinds of blobs that are left of a submission's media."""
    keys = chain.blobs_under("default")
    return {key.split("/")[1] for key in keys if submitted.work.media_sha256 in key}


def rows_of(chain: Chain, submitted: Submitted) -> dict[str, int]:
    """How many rows name a submission's media, by table; segments belong to results."""
    sha256, counts = submitted.work.media_sha256, {}
    for table in ROWS:
        rows = [vars(row) for row in chain.rows(table)]
        counts[table.__tablename__] = sum(
            sha256 in (row.get("media_sha256"), row.get("sha256")) for row in rows
        )
    return counts


EVERYTHING = {"media", "evidence", "embeddings", "scores"}


def test_nothing_is_deleted_unless_it_is_said(chain: Chain, blue: Path) -> None:
    submitted = finished(chain, blue, days_ago=10_000)
    assert delete_expired(chain.stores, Retention()) == 0
    assert kinds_left(chain, submitted) == EVERYTHING


@pytest.mark.every_backend
def test_media_and_evidence_go_and_results_stay(chain: Chain, blue: Path) -> None:
    submitted = finished(chain, blue, days_ago=2)
    before = chain.document(submitted)
    assert delete_expired(chain.stores, Retention(media_s=DAY_S)) == 1
    assert kinds_left(chain, submitted) == {"embeddings", "scores"}
    assert chain.document(submitted) == before
    assert delete_expired(chain.stores, Retention(media_s=DAY_S)) == 0


def test_evidence_of_a_file_that_stayed_in_place_goes_too(chain: Chain, blue: Path) -> None:
    submitted = finished(chain, blue, days_ago=2, host="here")
    assert kinds_left(chain, submitted) == {"evidence", "embeddings", "scores"}
    delete_expired(chain.stores, Retention(media_s=DAY_S))
    assert kinds_left(chain, submitted) == {"embeddings", "scores"}
    assert blue.exists()


def test_embeddings_go_and_are_made_anew_when_they_are_wanted_again(
    chain: Chain, blue: Path
) -> None:
    submitted = finished(chain, blue, days_ago=2)
    before, embedded = chain.document(submitted), sum(chain.encoder.batches)
    assert delete_expired(chain.stores, Retention(embeddings_s=DAY_S)) == 1
    assert kinds_left(chain, submitted) == {"media", "evidence", "scores"}
    assert chain.rows(Embedding) == []
    assert chain.document(submitted) == before
    assert len(read_scores(chain.stores, DEFAULT_TENANT, submitted.id)) == 1
    again = finished(chain, blue)
    assert chain.status(again) == Status.DONE
    assert sum(chain.encoder.batches) == 2 * embedded


@pytest.mark.every_backend
def test_results_go_with_everything_when_nobody_else_has_the_media(
    chain: Chain, blue: Path
) -> None:
    first, second = finished(chain, blue, days_ago=3), finished(chain, blue, days_ago=0.5)
    assert delete_expired(chain.stores, Retention(results_s=DAY_S)) == 1
    assert [row.id for row in chain.rows(Submission)] == [second.id]
    assert chain.document(second).status == "done"
    assert kinds_left(chain, second) == EVERYTHING
    assert delete_expired(chain.stores, Retention(results_s=0)) == 1
    assert kinds_left(chain, first) == set()
    assert set(rows_of(chain, first).values()) == {0}
    assert chain.rows(SegmentRow) == []


@pytest.mark.parametrize("age", [0.5, 3.0])
def test_what_is_young_or_being_worked_on_is_kept(chain: Chain, blue: Path, age: float) -> None:
    first = finished(chain, blue, days_ago=age)
    if age > 1:
        # It is old, but somebody wants the same again.
        chain.submit(blue, host=None)
    everything = Retention(media_s=DAY_S, embeddings_s=DAY_S)
    assert delete_expired(chain.stores, everything) == 0
    assert kinds_left(chain, first) == EVERYTHING
    chain.run()
    assert {row.status for row in chain.rows(Submission)} == {Status.DONE}


@pytest.mark.every_backend
@pytest.mark.parametrize(
    ("kept", "listed"),
    [
        (Retention(media_s=DAY_S), "_expired_media"),
        (Retention(embeddings_s=DAY_S), "_expired_media"),
        (Retention(results_s=DAY_S), "_expired_submissions"),
    ],
)
def test_who_submits_a_video_that_is_about_to_be_deleted_keeps_it(
    chain: Chain, blue: Path, monkeypatch: pytest.MonkeyPatch, kept: Retention, listed: str
) -> None:
    finished(chain, blue, days_ago=2, host=None)
    late: list[Submitted] = []
    find = getattr(retention, listed)

    def submitted_meanwhile(*arguments: object) -> object:
        found = find(*arguments)
        late.append(chain.submit(blue, host=None))
        return found

    monkeypatch.setattr(retention, listed, submitted_meanwhile)
    delete_expired(chain.stores, kept)
    assert kinds_left(chain, late[0]) == EVERYTHING
    blue.unlink()
    chain.run()
    assert chain.status(late[0]) == Status.DONE


@pytest.mark.every_backend
@pytest.mark.parametrize(("days_ago", "left"), [(0.5, {"media"}), (2.0, set())])
def test_a_copy_that_nobody_came_to_submit_is_deleted_after_a_day(
    chain: Chain, blue: Path, days_ago: float, left: set[str]
) -> None:
    kept = finished(chain, blue)
    work = kept.work.model_copy(update={"media_sha256": "f" * 64})
    announce_media(chain.stores, work, 5)
    chain.stores.blobs.put(media_key(work.tenant, work.media_sha256), b"video")
    for row in chain.rows(Media):
        with chain.stores.database.begin() as session:
            media = session.get_one(Media, (row.tenant, row.sha256))
            media.created_at = datetime.now(UTC) - timedelta(days=days_ago)
    assert delete_expired(chain.stores, Retention()) == (0 if left else 1)
    assert kinds_left(chain, Submitted("", work)) == left
    assert kinds_left(chain, kept) == EVERYTHING


def test_what_killed_writers_left_is_deleted_after_a_day(chain: Chain, blue: Path) -> None:
    submitted = finished(chain, blue)
    copy = chain.stores.blobs.local_path(media_key(DEFAULT_TENANT, submitted.work.media_sha256))
    assert copy is not None
    old, young = (copy.with_name(f"original.{name}.tmp") for name in ("old", "young"))
    for path, age_s in ((old, 2 * DAY_S), (young, DAY_S / 2), (copy, 2 * DAY_S)):
        path.touch()
        os.utime(path, (time.time() - age_s,) * 2)
    sweep_partial(chain.stores)
    assert (old.exists(), young.exists(), copy.exists()) == (False, True, True)


@pytest.mark.every_backend
def test_another_tenants_media_of_the_same_content_is_left_alone(chain: Chain, blue: Path) -> None:
    submitted = finished(chain, blue, days_ago=0.5)
    with chain.stores.database.begin() as session:
        values = vars(chain.submission(submitted)) | {"tenant": "other", "id": "0" * 32}
        values["finished_at"] = datetime.now(UTC) - timedelta(days=2)
        session.add(Submission(**{k: v for k, v in values.items() if k[0] != "_"}))
    everything = Retention(media_s=DAY_S, embeddings_s=DAY_S)
    assert delete_expired(chain.stores, everything) == 0
    assert kinds_left(chain, submitted) == EVERYTHING


@pytest.mark.every_backend
@pytest.mark.parametrize("stage", ["queued", "sampled", "embedded", "finished"])
def test_a_purge_leaves_no_row_no_blob_and_no_key(chain: Chain, blue: Path, stage: str) -> None:
    other = finished(chain, write_scenes(blue.with_name("o.mp4"), [(BLUE, 0.5)], width=64,
                                         height=48))  # fmt: skip
    both = [chain.submit(blue, host=None), chain.submit(blue)]
    if stage != "queued":
        chain.sample()
    if stage in ("embedded", "finished"):
        chain.embed()
    if stage == "finished":
        chain.finish()
    purged = purge(chain.stores, DEFAULT_TENANT, both[0].work.media_sha256)
    assert set(purged.submission_ids) == {one.id for one in both}
    assert kinds_left(chain, both[0]) == set()
    assert set(rows_of(chain, both[0]).values()) == {0}
    assert [key for key in chain.traces() if not key.startswith("rq:job:text-")] == []
    assert read_document(chain.stores, DEFAULT_TENANT, other.id).status == "done"
    assert kinds_left(chain, other) == EVERYTHING
    # A second time there is nothing to do.
    assert purge(chain.stores, DEFAULT_TENANT, both[0].work.media_sha256).submission_ids == ()


def test_who_submits_while_it_is_purged_is_purged_too(
    chain: Chain, blue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = finished(chain, blue)
    late: list[Submitted] = []
    delete_tree = chain.stores.blobs.delete_tree

    def submitting_meanwhile(prefix: str) -> None:
        if not late:
            late.append(chain.submit(blue, host=None))
        delete_tree(prefix)

    monkeypatch.setattr(chain.stores.blobs, "delete_tree", submitting_meanwhile)
    purged = purge(chain.stores, DEFAULT_TENANT, first.work.media_sha256)
    assert set(purged.submission_ids) == {first.id, late[0].id}
    assert set(rows_of(chain, first).values()) == {0}
    assert chain.traces() == []
    assert kinds_left(chain, first) == set()


def test_a_purge_deletes_copies_only_while_nobody_can_submit_the_same(
    chain: Chain, blue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = finished(chain, blue)
    rows_at: list[int] = []
    delete_tree = chain.stores.blobs.delete_tree

    def looking(prefix: str) -> None:
        # Another connection sees the rows until they are deleted for good.
        rows_at.append(rows_of(chain, first)[Media.__tablename__])
        delete_tree(prefix)

    monkeypatch.setattr(chain.stores.blobs, "delete_tree", looking)
    purge(chain.stores, DEFAULT_TENANT, first.work.media_sha256)
    assert set(rows_at) == {1}
    assert set(rows_of(chain, first).values()) == {0}


def test_a_purge_deletes_nothing_while_a_worker_does_not_let_go(
    chain: Chain, blue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.endings._STOP_WAIT_S", 0.1)
    submitted = chain.submit(blue, host=HOST)
    chain.stores.blobs.put(media_key(DEFAULT_TENANT, submitted.work.media_sha256), b"copy")
    frozen = chain.take(SAMPLE_QUEUE)
    sha256 = submitted.work.media_sha256
    with pytest.raises(StillRunning):
        purge(chain.stores, DEFAULT_TENANT, sha256)
    assert chain.status(submitted) == Status.CANCELLED
    assert kinds_left(chain, submitted) == {"media"}
    settle(chain.stores.redis, frozen.lease, Outcome.AGAIN)
    assert purge(chain.stores, DEFAULT_TENANT, sha256).submission_ids == (submitted.id,)
    assert set(rows_of(chain, submitted).values()) == {0}
    assert kinds_left(chain, submitted) == set()


def test_a_database_in_use_keeps_no_purge_from_its_end(
    chain: Chain, blue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = finished(chain, blue)

    def in_use() -> None:
        raise DatabaseLocked("It is in use.", "Wait.")

    monkeypatch.setattr(chain.stores.database, "forget_deleted", in_use)
    with capture_logs() as logs:
        purge(chain.stores, DEFAULT_TENANT, submitted.work.media_sha256)
    assert set(rows_of(chain, submitted).values()) == {0}
    assert "It is in use." in {line.get("reason") for line in logs}


def test_only_pixels_that_nobody_needs_are_swept(chain: Chain, blue: Path) -> None:
    waiting = chain.submit(blue)
    chain.sample()
    needed = chain.pixels()
    orphan = waiting.work.model_copy(update={"media_sha256": "e" * 64})
    chain.stores.blobs.put(pixels_key(orphan, "01234567", 0), b"left behind")
    chain.stores.blobs.put("default/pixels/no/work/at-all/pixels.npz", b"left behind")
    assert sweep_pixels(chain.stores) == 2
    assert chain.pixels() == needed != []
    assert sweep_pixels(chain.stores) == 0
    chain.run()
    assert chain.status(waiting) == Status.DONE


def test_a_deleted_row_is_overwritten_in_the_file(chain: Chain, blue: Path) -> None:
    marked = blue.rename(blue.with_name("a-name-that-nobody-may-find.mp4"))
    submitted = finished(chain, marked)
    purge(chain.stores, DEFAULT_TENANT, submitted.work.media_sha256)
    with chain.stores.database.read() as session:
        assert session.scalar(text("PRAGMA secure_delete")) == 1
    path = Path(str(chain.stores.database.engine.url.database))
    assert sqlite3.connect(path).execute("SELECT count(*) FROM submissions").fetchone() == (0,)
    for file in path.parent.glob(f"{path.name}*"):
        assert b"nobody-may-find" not in file.read_bytes()
