"""The migrations make exactly the tables that the code declares."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

import ingest.tables
import worker.tables  # noqa: F401 - declares its tables on the same base
from clipwarden.migrations import migrate
from ingest.database import Base, Database, sqlite_url
from ingest.errors import DatabaseUnavailable


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(sqlite_url(tmp_path / "test.db"))


def differences(database: Database) -> list[object]:
    with database.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    return list(found)


def test_an_empty_database_gets_the_declared_tables(database: Database) -> None:
    migrate(database)
    assert differences(database) == []
    assert ingest.tables.Submission.__tablename__ in inspect(database.engine).get_table_names()


def test_migrating_again_changes_nothing(database: Database) -> None:
    migrate(database)
    migrate(database)
    assert differences(database) == []


def test_a_database_of_a_newer_release_is_refused_with_the_cure(database: Database) -> None:
    migrate(database)
    with database.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'future'"))
    with pytest.raises(DatabaseUnavailable, match="newer release"):
        migrate(database)


def test_a_file_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "test.db").write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        migrate(Database(sqlite_url(tmp_path / "test.db")))


def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    migrate(database)
    query = text("SELECT count(*) FROM submissions")
    with database.begin(), database.read() as session:
        assert session.scalar(query) == 0
