"""Opening the SQL database: SQLite in WAL mode by default, PostgreSQL by URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Table,
    TypeDecorator,
    create_engine,
    event,
    inspect,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

from ingest.database_errors import describe, name_failure
from ingest.errors import DatabaseFailed, DatabaseLocked

# Writers wait for each other this long before they give up.
_LOCK_TIMEOUT_S = 30.0

_ADDRESS_CURE = "Write postgresql://user:password@host/database or sqlite:////path/to/file."

_READ_ONLY = "clipwarden_read_only"

# A cut network link is noticed after some 12 s instead of hours: on connecting, amid a statement,
# and while waiting for an answer.
_POSTGRES_CONNECT: Mapping[str, Any] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 12_000,
    "application_name": "clipwarden",
    # Named statements break behind a pooler that hands out connections by transaction.
    "prepare_threshold": None,
}

# The same, seen from the server: a host that lost its power must not keep its locks. Older servers
# lack some of the settings, and go without.
_POSTGRES_SESSION = """
    SELECT set_config(name, wanted, false)
    FROM (VALUES
        ('tcp_keepalives_idle', '5'),
        ('tcp_keepalives_interval', '3'),
        ('tcp_keepalives_count', '3'),
        ('tcp_user_timeout', '12000'),
        ('client_connection_check_interval', '5000'),
        ('idle_in_transaction_session_timeout', '120000'),
        ('lock_timeout', %s)
    ) AS ours (name, wanted)
    JOIN pg_settings USING (name)
"""


class UtcDateTime(TypeDecorator[datetime]):
    """Times of day that are UTC, and say so, whatever the database makes of them."""

    impl = DateTime(timezone=True)
    cache_ok = True
    python_type = datetime

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Take times that know their zone only; SQLite keeps none."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Give back UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The tables of all packages; each package declares its own."""

    type_annotation_map: ClassVar[Mapping[Any, Any]] = {datetime: UtcDateTime()}


# Half an hour of microseconds is more than a plain SQL integer holds.
BigInt = Annotated[int, mapped_column(BigInteger)]


def sqlite_url(path: Path) -> str:
    """The database URL of an SQLite file."""
    return URL.create("sqlite", database=str(path)).render_as_string()


class Database:
    """One engine, and short transactions on it."""

    def __init__(self, url: str, *, lock_timeout_s: float = _LOCK_TIMEOUT_S) -> None:
        """Prepare the engine of a database URL; nothing is opened yet.

        `postgres://` and `postgresql://` mean psycopg 3. Raises DatabaseFailed for other
        databases, and for PostgreSQL without the extra `postgres`.
        """
        self._url = _parse(url)
        if self._url.get_backend_name() == "sqlite":
            self.engine = _sqlite_engine(self._url, lock_timeout_s)
        else:
            self.engine = _postgres_engine(self._url, lock_timeout_s)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Open a transaction that commits at the end.

        On SQLite it takes the write lock at once, so keep it short. Raises DatabaseLocked,
        DatabaseFull, DatabaseUnavailable, DatabaseFailed.
        """
        with self._session(self.engine) as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a transaction that writes nothing, waits for no writer, and sees one moment.

        Raises what `begin` raises.
        """
        with self._session(self.engine.execution_options(**self._reading())) as session:
            yield session

    @contextmanager
    def naming_failures(self) -> Iterator[None]:
        """Turn what SQLAlchemy raises into errors of ours, for those who use the engine."""
        try:
            yield
        except SQLAlchemyError as error:
            raise name_failure(error, self._url) from error

    def forget_deleted(self) -> None:
        """Let nothing of deleted rows stay in SQLite's files; PostgreSQL's vacuum sees to its own.

        Raises DatabaseLocked while others read or write.
        """
        if self.engine.dialect.name != "sqlite":
            return
        with self.naming_failures(), self.engine.connect() as connection:
            # Past SQLAlchemy, which would begin a transaction; no checkpoint is made in one.
            cursor = connection.connection.cursor()
            is_busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            cursor.close()
            if is_busy:
                raise DatabaseLocked(
                    f"{describe(self._url)} is in use: deleted rows are still in its log.",
                    "Try again once nobody reads or writes it.",
                )

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()

    @contextmanager
    def _session(self, engine: Engine) -> Iterator[Session]:
        with self.naming_failures(), Session(engine) as session, session.begin():
            yield session

    def _reading(self) -> dict[str, Any]:
        if self.engine.dialect.name == "sqlite":
            return {_READ_ONLY: True}
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def upsert(session: Session, row: Base) -> None:
    """Write a row, or write it over the one of the same primary key, in one statement.

    Unlike `Session.merge` it can't collide with another writer of the same row. What the row
    leaves out becomes null.
    """
    statement = _insert(session, row)
    changes = {
        column.name: statement.excluded[column.name]
        for column in statement.table.columns
        if not column.primary_key
    }
    # What the session waits to write may be what this row refers to.
    session.flush()
    if changes:
        session.execute(
            statement.on_conflict_do_update(
                index_elements=list(statement.table.primary_key), set_=changes
            )
        )
    else:
        session.execute(statement.on_conflict_do_nothing())
    # Else the session would go on to show what it had read before.
    known = session.identity_map.get(inspect(row).mapper.identity_key_from_instance(row))
    if known is not None:
        session.expire(known)


def insert_if_absent(session: Session, row: Base) -> bool:
    """Write a row unless its key, or anything else that must be unique, is taken already.

    Returns whether it was written; waits for another writer of the same row to commit.
    """
    statement = _insert(session, row)
    session.flush()
    found = session.execute(
        statement.on_conflict_do_nothing().returning(*statement.table.primary_key)
    )
    return found.first() is not None


def _insert(session: Session, row: Base) -> postgresql.Insert | sqlite.Insert:
    mapper = inspect(row).mapper
    values = {
        attribute.columns[0].name: getattr(row, attribute.key)
        for attribute in mapper.column_attrs
        if attribute.key in row.__dict__
    }
    table = mapper.local_table
    assert isinstance(table, Table)
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table).values(values)
    return postgresql.insert(table).values(values)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    # ValueError: a port that is no number.
    except (ArgumentError, ValueError) as error:
        # Not the error's own words: they may repeat the URL, password and all.
        raise DatabaseFailed("the database's address is no URL.", _ADDRESS_CURE) from error
    if parsed.drivername in {"postgres", "postgresql", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite":
        return parsed
    raise DatabaseFailed(f"{parsed.drivername} is no database that is supported.", _ADDRESS_CURE)


def _postgres_engine(url: URL, lock_timeout_s: float) -> Engine:
    try:
        engine = create_engine(
            url,
            pool_pre_ping=True,
            # What the URL says itself wins.
            connect_args={
                name: value for name, value in _POSTGRES_CONNECT.items() if name not in url.query
            },
        )
    except ImportError as error:
        raise DatabaseFailed(
            "PostgreSQL needs psycopg, which is not installed.",
            "Install it: pip install 'clipwarden[postgres]'",
        ) from error

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.autocommit = True
        connection.execute(_POSTGRES_SESSION, [str(round(lock_timeout_s * 1000))])
        connection.autocommit = False

    return engine


def _sqlite_engine(url: URL, lock_timeout_s: float) -> Engine:
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # The driver would otherwise begin transactions by its own, later, weaker rules.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={round(lock_timeout_s * 1000)}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA synchronous=NORMAL")
        # What is deleted is overwritten, not only forgotten.
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(_READ_ONLY)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine
