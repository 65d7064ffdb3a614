"""The database's schema, as an ordered list of Alembic migrations."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy.exc import SQLAlchemyError

from ingest.database import Database
from ingest.errors import DatabaseUnavailable


def migrate(database: Database) -> None:
    """Bring a database, empty or older, to this release's schema; raises DatabaseUnavailable."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["engine"] = database.engine
    try:
        command.upgrade(config, "head")
    except (CommandError, SQLAlchemyError) as error:
        raise DatabaseUnavailable(
            f"the database could not be brought to this release's schema: {error}.",
            "If a newer release wrote it, use that release; else check the database's rights.",
        ) from error
