"""What the second release wrote is kept when its database is brought to the third schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import inspect, text

from clipwarden.migrations import migrate
from ingest.database import Database
from ingest.tables import Sampling, Submission
from tests.worker.chain import Chain
from tests.worker.test_migration_0002 import SUBMISSION, TIME, config_of, insert, rows
from worker.tables import Embedding, Result

pytestmark = pytest.mark.every_backend

KEY = "fps-2.centre-224-bicubic"
SAMPLING = {
    "tenant": "default", "media_sha256": "a" * 64, "sampling_key": KEY, "duration_us": 10_000_000,
    "width": 640, "height": 360, "codec": "h264", "frames": 20, "chunks": 1, "warnings": '["w"]',
    "partial": False, "decode_s": 0.5, "sampled_by": "me", "finished_at": TIME,
}  # fmt: skip
STATES = ("cancelled", "done", "failed", "partial", "queued")


@pytest.fixture
def filled(database_url: str) -> Database:
    """A database of the second release: a submission in each state, and one sampling."""
    database = Database(database_url)
    command.upgrade(config_of(database), "0002")
    submission = SUBMISSION | {"priority": "normal"}
    submission["location"] = submission.pop("media_url")
    for number, status in enumerate(STATES):
        insert(database, "submissions", **submission, id=f"{number:032x}", status=status)
    insert(database, "samplings", **SAMPLING)
    return database


def keys(database: Database) -> dict[str, str]:
    return {row.status: row.sampling_key for row in rows(database, Submission)}


def test_a_sampling_has_no_cuts_and_a_picture_of_every_frame(filled: Database) -> None:
    command.upgrade(config_of(filled), "head")
    [sampled] = rows(filled, Sampling)
    assert (sampled.cuts_us, sampled.frames, sampled.frames_pictured) == ([], 20, 20)
    assert (sampled.warnings, sampled.sampling_key) == (["w"], KEY)
    with filled.begin() as session:
        session.get_one(Sampling, ("default", "a" * 64, KEY)).cuts_us = [1_000_000, 2**40]
    [sampled] = rows(filled, Sampling)
    assert sampled.cuts_us == [1_000_000, 2**40]
    filled.close()


def test_what_has_no_result_yet_will_be_sampled_as_from_now_on(filled: Database) -> None:
    command.upgrade(config_of(filled), "head")
    ended = {"done": KEY, "partial": KEY}
    assert keys(filled) == dict.fromkeys(STATES, f"{KEY}.v2") | ended
    filled.close()


def test_it_can_be_taken_back(filled: Database) -> None:
    before = contents(filled)
    command.upgrade(config_of(filled), "0003")
    command.downgrade(config_of(filled), "0002")
    assert contents(filled) == before
    assert not {"cuts_us", "frames_pictured"} & set(before["samplings"][0])
    command.upgrade(config_of(filled), "0003")
    assert "cuts_us" in {one["name"] for one in inspect(filled.engine).get_columns("samplings")}
    filled.close()


def test_a_result_of_the_second_release_can_still_be_read(chain: Chain, three_scenes: Path) -> None:
    submitted = chain.submit(three_scenes, version="")
    chain.run()
    before = chain.document(submitted)
    config = config_of(chain.stores.database)
    command.downgrade(config, "0002")
    migrate(chain.stores.database)
    # All but the frame rate, which the second release did not keep.
    video = before.video.model_copy(update={"frame_rate": None})
    assert chain.document(submitted) == before.model_copy(update={"video": video})
    assert (before.sampling.version, before.sampling.geometry) == (1, "squash-32-bicubic")
    for table in (Embedding, Result):
        stored = {row.sampling_key for row in rows(chain.stores.database, table)}
        assert stored == {submitted.work.sampling_key}


def contents(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.read() as session:
        return {
            name: [dict(row) for row in session.execute(text(query)).mappings()]
            for name, query in {
                "samplings": "SELECT * FROM samplings",
                "submissions": "SELECT * FROM submissions ORDER BY id",
            }.items()
        }
