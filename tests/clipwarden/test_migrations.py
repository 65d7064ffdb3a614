"""The migrations make exactly the tables that the code declares, once, whoever runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.types import TypeEngine

import clipwarden.migrations
import ingest.tables
import worker.tables  # noqa: F401 - declares its tables on the same base
from clipwarden.migrations import migrate, require_current
from ingest.database import Base, Database, UtcDateTime, sqlite_url
from ingest.errors import DatabaseFailed, DatabaseOutdated, DatabaseUnavailable
from tests.servers.process import free_port

pytestmark = pytest.mark.every_backend

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)

# Copies a table that others refer to, as any later release may have to.
COPYING_MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "copying"
down_revision = {head!r}
branch_labels = None
depends_on = None


def upgrade():
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table("results", recreate="always" if is_sqlite else "never") as batch_op:
        batch_op.add_column(sa.Column("remark", sa.Text(), nullable=True))
    {then}
"""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def differences(database: Database) -> list[object]:
    with database.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    return list(found)


def config(database: Database, *more_versions: Path) -> Config:
    """Alembic's own view of the migrations, and of some more."""
    folder = Path(clipwarden.migrations.__file__).parent
    config = Config()
    config.set_main_option("script_location", str(folder))
    versions = [folder / "versions", *more_versions]
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(map(str, versions)))
    config.attributes["engine"] = database.engine
    return config


def add_copying_migration(database: Database, folder: Path, then: str) -> Config:
    head = ScriptDirectory.from_config(config(database)).get_current_head()
    folder.mkdir()
    (folder / "copying.py").write_text(COPYING_MIGRATION.format(head=head, then=then))
    return config(database, folder)


def count(database: Database, table: str) -> int:
    with database.read() as session:
        return int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def store_a_segment(database: Database) -> None:
    """One result and one segment of it, whatever columns they have."""
    with database.engine.begin() as connection:
        for name in ("results", "segments"):
            table = Base.metadata.tables[name]
            needed = [column for column in table.columns if not column.nullable]
            values = {column.name: sample(column.type) for column in needed}
            connection.execute(table.insert().values(values))


def sample(kind: TypeEngine[Any]) -> object:
    """Some value of a column's type."""
    return NOON if isinstance(kind, UtcDateTime) else kind.python_type(1)


def test_an_empty_database_gets_the_declared_tables(database: Database) -> None:
    migrate(database)
    assert differences(database) == []
    assert ingest.tables.Submission.__tablename__ in inspect(database.engine).get_table_names()


def test_migrating_again_changes_nothing(database: Database) -> None:
    migrate(database)
    migrate(database)
    assert differences(database) == []


def test_several_who_migrate_at_once_take_turns(database_url: str, database: Database) -> None:
    # Processes, as on several hosts: Alembic keeps what it works on in a global.
    script = (
        "import sys; from clipwarden.migrations import migrate; "
        "from ingest.database import Database; sys.stdin.read(1); migrate(Database(sys.argv[1]))"
    )
    words = [sys.executable, "-P", "-c", script, database_url]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen(words, stdin=subprocess.PIPE)) for _ in range(4)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
    assert [process.returncode for process in processes] == [0] * 4
    assert differences(database) == []


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    database: Database, tmp_path: Path
) -> None:
    migrate(database)
    store_a_segment(database)
    failing = add_copying_migration(database, tmp_path / "more", "op.execute('no statement')")
    with pytest.raises(DatabaseFailed), database.naming_failures():
        command.upgrade(failing, "head")
    require_current(database)
    assert differences(database) == []
    assert (count(database, "results"), count(database, "segments")) == (1, 1)


def test_copying_a_table_keeps_what_refers_to_it(database: Database, tmp_path: Path) -> None:
    migrate(database)
    store_a_segment(database)
    command.upgrade(add_copying_migration(database, tmp_path / "more", "pass"), "head")
    assert (count(database, "results"), count(database, "segments")) == (1, 1)
    # And the rule that it was copied with still holds.
    with database.begin() as session:
        session.execute(text("DELETE FROM results"))
    assert count(database, "segments") == 0


def test_a_database_of_this_release_is_current(database: Database) -> None:
    migrate(database)
    require_current(database)


def test_an_empty_database_is_not_current_and_stays_empty(database: Database) -> None:
    with pytest.raises(DatabaseOutdated, match="no tables"):
        require_current(database)
    assert inspect(database.engine).get_table_names() == []


def test_a_database_of_an_older_release_is_not_current(database: Database) -> None:
    command.upgrade(config(database), "0001")
    with pytest.raises(DatabaseOutdated, match="at 0001"):
        require_current(database)
    migrate(database)
    require_current(database)


def test_every_step_back_and_forth_can_be_taken(database: Database) -> None:
    migrate(database)
    command.downgrade(config(database), "base")
    migrate(database)
    assert differences(database) == []


def test_a_database_of_a_newer_release_is_refused_with_the_cure(database: Database) -> None:
    migrate(database)
    with database.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'future'"))
    with pytest.raises(DatabaseOutdated, match="newer release"):
        migrate(database)
    with pytest.raises(DatabaseOutdated, match="newer release"):
        require_current(database)


def test_a_file_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "test.db").write_bytes(b"this is no database, whatever its name says" * 100)
    database = Database(sqlite_url(tmp_path / "test.db"))
    with pytest.raises(DatabaseFailed, match="not a database"):
        migrate(database)
    with pytest.raises(DatabaseFailed, match="not a database"):
        require_current(database)


def test_a_server_that_is_not_there_is_one_clear_error() -> None:
    database = Database(f"postgresql://user:secret@127.0.0.1:{free_port()}/videos")
    with pytest.raises(DatabaseUnavailable, match="can't be reached"):
        migrate(database)
    with pytest.raises(DatabaseUnavailable, match="can't be reached"):
        require_current(database)


def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    migrate(database)
    with database.begin():
        assert count(database, "submissions") == 0
