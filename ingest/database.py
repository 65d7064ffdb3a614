"""Opening the SQL database: SQLite in WAL mode by default, anything SQLAlchemy knows by URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar

from sqlalchemy import BigInteger, Connection, DateTime, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

from ingest.errors import DatabaseUnavailable

# Writers of one SQLite file wait for each other this long before they give up.
_BUSY_TIMEOUT_MS = 30_000

_READ_ONLY = "clipwarden_read_only"


class Base(DeclarativeBase):
    """The tables of all packages; each package declares its own."""

    type_annotation_map: ClassVar[Mapping[Any, Any]] = {datetime: DateTime(timezone=True)}


# Half an hour of microseconds is more than a plain SQL integer holds.
BigInt = Annotated[int, mapped_column(BigInteger)]


def sqlite_url(path: Path) -> str:
    """The database URL of an SQLite file."""
    return f"sqlite:///{path}"


class Database:
    """One engine, and short transactions on it."""

    def __init__(self, url: str) -> None:
        """Prepare the engine of a database URL; nothing is opened yet."""
        self.engine = _sqlite_engine(url) if url.startswith("sqlite") else create_engine(url)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Open a transaction that commits at the end; raises DatabaseUnavailable.

        On SQLite it takes the write lock at once, so keep it short.
        """
        with self._session(self.engine) as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a transaction that writes nothing and waits for no writer."""
        with self._session(self.engine.execution_options(**{_READ_ONLY: True})) as session:
            yield session

    @contextmanager
    def _session(self, engine: Engine) -> Iterator[Session]:
        try:
            with Session(engine) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            raise DatabaseUnavailable(
                f"the database failed: {getattr(error, 'orig', None) or error}.",
                "Check that its disk has space, and that no other program locks it.",
            ) from error

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # The driver would otherwise begin transactions by its own, later, weaker rules.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(_READ_ONLY)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine
