"""Alembic's entry: runs the migrations on the engine that `migrate` hands over."""

from alembic import context
from sqlalchemy import Connection, Engine

import ingest.tables  # noqa: F401 - both declare their tables on the base
import worker.tables  # noqa: F401
from ingest.database import Base

# Any number that nobody else uses: two hosts that migrate at once take turns.
_LOCK = 6_207_318_445

# Longer than any migration takes; a writer would have given up by then.
_LOCK_TIMEOUT = "15min"


def run(engine: Engine) -> None:
    """Run all migrations that are missing, in one transaction."""
    with engine.connect() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        if is_sqlite:
            _set_foreign_keys(connection, "OFF")
        try:
            # Ours, not Alembic's: it would look at the schema before it holds the lock, and on
            # SQLite commit each statement by itself.
            with connection.begin():
                if not is_sqlite:
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
                context.configure(
                    connection=connection,
                    target_metadata=Base.metadata,
                    # SQLite can't alter a table in place; Alembic then copies it.
                    render_as_batch=True,
                )
                context.run_migrations()
                if is_sqlite:
                    _check_foreign_keys(connection)
        finally:
            if is_sqlite:
                _set_foreign_keys(connection, "ON")


def _set_foreign_keys(connection: Connection, state: str) -> None:
    """Switch the checks off while tables are copied: dropping the old one would delete its rows'
    dependents. It has no effect in a transaction, which SQLAlchemy would begin.
    """
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA foreign_keys={state}")
    cursor.close()


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise RuntimeError(f"a migration broke {len(broken)} references, the first: {broken[0]}")


run(context.config.attributes["engine"])
