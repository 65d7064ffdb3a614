"""The database's schema, as an ordered list of Alembic migrations."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from ingest.database import Database
from ingest.errors import DatabaseOutdated


def migrate(database: Database) -> None:
    """Bring a database, empty or older, to this release's schema, wholly or not at all.

    Where two processes do so at once, one waits for the other. Raises DatabaseOutdated where a
    newer release wrote it, and what `Database.begin` raises.
    """
    config = _config()
    config.attributes["engine"] = database.engine
    with database.naming_failures():
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise _of_newer_release(str(error)) from error


def require_current(database: Database) -> None:
    """Raise DatabaseOutdated unless the schema is this release's; changes nothing.

    For processes that use a database which others set up. Raises what `Database.read` raises.
    """
    script = ScriptDirectory.from_config(_config())
    with database.read() as session:
        found = MigrationContext.configure(session.connection()).get_current_heads()
    if set(found) == set(script.get_heads()):
        return
    known = {revision.revision for revision in script.walk_revisions()}
    if not set(found) <= known:
        raise _of_newer_release(f"its schema is {', '.join(found)}")
    raise DatabaseOutdated(
        "the database has not been brought to this release's schema yet"
        f" (it is at {', '.join(found)})."
        if found
        else "the database has no tables of Clipwarden yet.",
        "Start `clipwarden serve` of this release once on the host that leads, then this again.",
    )


def _config() -> Config:
    config = Config()
    # Its parser would read a percent sign in the path as the start of a variable.
    folder = str(Path(__file__).parent).replace("%", "%%")
    config.set_main_option("script_location", folder)
    return config


def _of_newer_release(reason: str) -> DatabaseOutdated:
    return DatabaseOutdated(
        f"the database was written by a newer release: {reason.rstrip('.')}.",
        "Install that release or a later one here too.",
    )
