"""What the third release wrote is kept when its database is brought to the fourth schema."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import inspect

from ingest.database import Database
from ingest.tables import Sampling, Submission
from tests.worker.test_migration_0002 import (
    RESULT,
    SEGMENT,
    SUBMISSION,
    config_of,
    insert,
    rows,
)
from tests.worker.test_migration_0003 import SAMPLING
from worker.tables import NO_CALIBRATION, CalibrationRow, FrameScore, Result, SegmentRow
from worker.versions import Version, versions_of

pytestmark = pytest.mark.every_backend

SETS = '["b", "c"]'
SCORED = {"device": "cpu", "frames_embedded": 20, "embed_s": 1.5}


@pytest.fixture
def filled(database_url: str) -> Database:
    """A database of the third release: a submission under two prompt sets, and one's result."""
    database = Database(database_url)
    command.upgrade(config_of(database), "0003")
    submission = SUBMISSION | {"priority": "normal", "prompt_sets": SETS}
    submission["location"] = submission.pop("media_url")
    insert(database, "submissions", **submission, id="1" * 32, status="done")
    insert(database, "samplings", **SAMPLING, cuts_us="[]", frames_pictured=20)
    insert(database, "results", **RESULT, **SCORED, id=1, prompt_set_sha256="b")
    insert(database, "segments", **SEGMENT)
    return database


def test_what_was_there_is_uncalibrated_and_needs_no_classifier(filled: Database) -> None:
    command.upgrade(config_of(filled), "head")
    [submission] = rows(filled, Submission)
    assert (submission.calibrations, submission.classifiers) == ([], [])
    assert versions_of(submission) == [Version("b", NO_CALIBRATION), Version("c", NO_CALIBRATION)]
    [sampled] = rows(filled, Sampling)
    assert (sampled.frame_rate, sampled.frames) == (None, 20)
    [result] = rows(filled, Result)
    assert result.calibration_sha256 == NO_CALIBRATION
    assert [one.label for one in rows(filled, SegmentRow)] == ["fire"]
    assert rows(filled, CalibrationRow) == rows(filled, FrameScore) == []
    filled.close()


def test_taken_back_it_leaves_what_the_third_release_can_read(filled: Database) -> None:
    command.upgrade(config_of(filled), "head")
    calibrated = RESULT | SCORED | {"id": 2, "calibration_sha256": "f" * 64}
    insert(filled, "results", **calibrated, prompt_set_sha256="b")
    insert(filled, "segments", **SEGMENT | {"result_id": 2})
    command.downgrade(config_of(filled), "0003")
    columns = {one["name"] for one in inspect(filled.engine).get_columns("submissions")}
    assert not {"calibrations", "classifiers"} & columns
    assert not {"calibrations", "frame_scores"} & set(inspect(filled.engine).get_table_names())
    command.upgrade(config_of(filled), "head")
    assert len(rows(filled, Submission)) == 1
    # Nothing would have told the two apart: the one that a calibration had a part in is gone.
    [result] = rows(filled, Result)
    assert result.calibration_sha256 == NO_CALIBRATION
    assert [one.result_id for one in rows(filled, SegmentRow)] == [result.id]
    filled.close()
