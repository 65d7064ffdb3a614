"""What the first release wrote is kept when its database is brought to the second schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text

import clipwarden.migrations
from ingest.database import Database
from ingest.tables import Media, Submission
from worker.tables import Embedding, Result, SegmentRow

pytestmark = pytest.mark.every_backend

TIME = "2026-01-02 03:04:05.000000+00:00"
SUBMISSION = {
    "tenant": "default", "source": "a.mp4", "media_url": "file:///videos/a%20b.mp4",
    "media_sha256": "a" * 64, "size_bytes": 5_000_000_000, "model_key": "0123456789abcdef",
    "model_card": "{}", "sampling": "fps:2", "geometry": "centre-224-bicubic",
    "sampling_key": "fps-2.centre-224-bicubic", "prompt_sets": '["b"]', "created_at": TIME,
}  # fmt: skip
WORK = {
    "tenant": "default", "media_sha256": "a" * 64, "model_key": "0123456789abcdef",
    "sampling_key": "fps-2.centre-224-bicubic",
}  # fmt: skip
EMBEDDING = WORK | {
    "frames": 64, "blob_key": "k", "blob_sha256": "c" * 64, "pixels_sha256": "d" * 64,
    "batches": 1, "batch_size": 64, "embed_s": 1.5, "embedded_by": "me",
}  # fmt: skip
RESULT = WORK | {
    "prompt_set": "p", "prompt_set_version": "1", "calibration_sha256": "", "scores_key": "s",
    "scores_sha256": "e" * 64, "created_at": TIME,
}  # fmt: skip
SEGMENT = {
    "result_id": 1, "number": 0, "label": "fire", "start_us": 0, "end_us": 2_000_000_000_000,
    "peak_us": 5, "confidence": 0.9, "mean_confidence": 0.8, "frames": 3, "nsfw": False,
    "action": "review", "evidence": "e",
}  # fmt: skip


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


def config_of(database: Database) -> Config:
    config = Config()
    folder = Path(str(clipwarden.migrations.__file__)).parent
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["engine"] = database.engine
    return config


def insert(database: Database, table: str, **values: Any) -> None:
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    with database.begin() as session:
        session.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)


@pytest.fixture
def filled(database: Database) -> Database:
    """A database of the first release: one video that ended, one that did not."""
    command.upgrade(config_of(database), "0001")
    insert(database, "submissions", **SUBMISSION, id="1" * 32, status="done", finished_at=TIME)
    insert(database, "submissions", **SUBMISSION, id="2" * 32, status="queued")
    other = SUBMISSION | {"media_sha256": "f" * 64, "created_at": "2026-01-03 00:00:00+00:00"}
    insert(database, "submissions", **other, id="3" * 32, status="failed", finished_at=TIME)
    insert(database, "embeddings", **EMBEDDING, chunk=0, device="cuda:0")
    insert(database, "embeddings", **EMBEDDING | {"frames": 6}, chunk=1, device="cuda:0")
    insert(database, "results", **RESULT, id=1, prompt_set_sha256="b" * 64)
    # One whose embeddings are gone.
    gone = RESULT | {"media_sha256": "f" * 64}
    insert(database, "results", **gone, id=2, prompt_set_sha256="b" * 64)
    insert(database, "segments", **SEGMENT)
    return database


def rows(database: Database, table: Any) -> list[Any]:
    with database.read() as session:
        found = session.query(table).order_by(*table.__table__.primary_key.columns).all()
        session.expunge_all()
    return list(found)


def test_what_was_there_is_kept_and_completed(filled: Database) -> None:
    command.upgrade(config_of(filled), "head")
    done, queued, failed = rows(filled, Submission)
    assert [row.run_id for row in (done, queued, failed)] == [None, "2" * 32, None]
    assert {row.priority for row in (done, queued, failed)} == {"normal"}
    assert {row.location for row in (done, queued)} == {"file:///videos/a%20b.mp4"}
    assert (done.host, done.request_token) == (None, None)
    assert done.prompt_sets == ["b"]
    media = {row.sha256: row for row in rows(filled, Media)}
    assert set(media) == {"a" * 64, "f" * 64}
    assert media["a" * 64].size_bytes == 5_000_000_000
    assert media["a" * 64].blob_key is None
    assert media["a" * 64].created_at == done.created_at
    made, gone = rows(filled, Result)
    assert (made.device, made.frames_embedded, made.embed_s) == ("cuda:0", 70, 3.0)
    assert (gone.device, gone.frames_embedded, gone.embed_s) == ("cpu", 0, 0.0)
    assert len(rows(filled, Embedding)) == 2
    [segment] = rows(filled, SegmentRow)
    assert segment.end_us == 2_000_000_000_000
    filled.close()


def test_a_new_result_and_a_token_fit_into_a_migrated_database(filled: Database) -> None:
    command.upgrade(config_of(filled), "head")
    with filled.begin() as session:
        kept = session.get_one(Submission, ("default", "1" * 32))
        kept.request_token = "mine"
        session.get_one(Result, 1).device = ",".join(f"cuda:{number}" for number in range(16))
    names = {one["name"] for one in inspect(filled.engine).get_unique_constraints("submissions")}
    assert "submissions_by_token" in names
    filled.close()


def test_it_can_be_taken_back_with_everything_that_the_first_release_knew(
    filled: Database,
) -> None:
    before = contents(filled)
    command.upgrade(config_of(filled), "head")
    with filled.begin() as session:
        session.get_one(Submission, ("default", "3" * 32)).location = None
    command.downgrade(config_of(filled), "0001")
    after = contents(filled)
    places = [row.pop("media_url") for row in after["submissions"]]
    expected = [row.pop("media_url") for row in before["submissions"]]
    assert places == [*expected[:2], ""]
    assert after == before
    assert "media" not in inspect(filled.engine).get_table_names()
    # And brought up again.
    command.upgrade(config_of(filled), "head")
    assert len(rows(filled, Submission)) == 3
    filled.close()


def contents(database: Database) -> dict[str, list[dict[str, Any]]]:
    tables = {"submissions": "id", "embeddings": "chunk", "results": "id", "segments": "number"}
    with database.read() as session:
        return {
            name: [
                dict(row) for row in session.execute(text(f"SELECT * FROM {name} ORDER BY {key}"))
                .mappings()
            ]
            for name, key in tables.items()
        }  # fmt: skip
