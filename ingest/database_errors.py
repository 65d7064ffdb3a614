"""What SQLite, PostgreSQL and SQLAlchemy raise, told apart into errors of ours."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ingest.errors import (
    DatabaseError,
    DatabaseFailed,
    DatabaseFull,
    DatabaseLocked,
    DatabaseUnavailable,
)

# SQLite can't tell a full disk from a broken one while it grows its shared memory file.
_FULL_DISK_BYTES = 1024 * 1024

# Of PostgreSQL's appendix A: serialization failure, deadlock, lock not available.
_LOCKED_STATES = frozenset({"40001", "40P01", "55P03"})
_DISK_FULL_STATE = "53100"
# Connection exceptions, lack of resources (connections, memory), operator intervention (shutdown,
# restart, cancelled), and the end of a session or transaction that idled.
_PASSING_CLASSES = ("08", "53", "57", "25P03")
# A standby or a read-only server, or a role that may not: the installation's fault, not a video's.
_READ_ONLY_STATES = frozenset({"25006", "42501"})


def name_failure(error: SQLAlchemyError, url: URL) -> DatabaseError:
    """The error of ours for a failure on the database of that URL; never tells its password."""
    place = describe(url)
    original = getattr(error, "orig", None) or error
    reason = " ".join(str(original).split()).rstrip(".")
    kind = _kind(error, original, url)
    if kind is DatabaseLocked:
        return DatabaseLocked(
            f"{place} is locked: {reason}.",
            "Wait for the other writer, or end the program that holds it.",
        )
    if kind is DatabaseFull:
        return DatabaseFull(f"{place} is full: {reason}.", "Make room on the disk that holds it.")
    if _is_read_only(original):
        return DatabaseUnavailable(
            f"{place} can't be written: {reason}.",
            "Name the primary server, not a standby, and a user who may write."
            if url.host
            else "Check the rights of its file and folder, and that its disk is not read-only.",
        )
    if kind is DatabaseUnavailable:
        return DatabaseUnavailable(
            f"{place} can't be reached: {reason}.",
            "Check that it runs, and the address and user in its URL."
            if url.host
            else "Check its folder, the rights there and the disk.",
        )
    return DatabaseFailed(
        f"{place} refused a statement: {reason}.",
        "If the file is damaged, restore it; else this is a defect: please report it.",
    )


def describe(url: URL) -> str:
    """Name a database for a person, without user and password."""
    if url.get_backend_name() == "sqlite":
        return f"the database {url.database}"
    port = f":{url.port}" if url.port else ""
    return f"the database {url.database} on {url.host or 'this machine'}{port}"


def _is_read_only(original: BaseException) -> bool:
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", 0) & 0xFF
        return code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
    return getattr(original, "sqlstate", None) in _READ_ONLY_STATES


def _kind(error: SQLAlchemyError, original: BaseException, url: URL) -> type[DatabaseError]:
    if isinstance(error, PoolTimeoutError):
        return DatabaseUnavailable
    if isinstance(original, sqlite3.Error):
        return _sqlite_kind(getattr(original, "sqlite_errorcode", 0), url)
    if not isinstance(error, DBAPIError):
        return DatabaseFailed
    state = getattr(original, "sqlstate", None)
    if state in _LOCKED_STATES:
        return DatabaseLocked
    if state == _DISK_FULL_STATE:
        return DatabaseFull
    if state is None:
        # The server gave no answer: the connection could not be made, or was lost.
        is_connection = type(original).__name__ in {"OperationalError", "ConnectionTimeout"}
        is_lost = error.connection_invalidated or is_connection
        return DatabaseUnavailable if is_lost else DatabaseFailed
    return DatabaseUnavailable if state.startswith(_PASSING_CLASSES) else DatabaseFailed


def _sqlite_kind(code: int, url: URL) -> type[DatabaseError]:
    # The low byte is the kind of error, the rest its special case.
    match code & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return DatabaseLocked
        case sqlite3.SQLITE_FULL:
            return DatabaseFull
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN:
            return DatabaseFull if _is_disk_full(url) else DatabaseUnavailable
        case _:
            return DatabaseFailed


def _is_disk_full(url: URL) -> bool:
    try:
        return shutil.disk_usage(Path(url.database or ".").parent).free < _FULL_DISK_BYTES
    except OSError:
        return False
