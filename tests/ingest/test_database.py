"""The database: one row by whoever writes it, times that are UTC, named shortages and outages."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import ForeignKey, MetaData, String, UniqueConstraint, delete, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from ingest.database import Base, Database, insert_if_absent, sqlite_url, upsert
from ingest.errors import (
    DatabaseError,
    DatabaseFailed,
    DatabaseFull,
    DatabaseLocked,
    DatabaseUnavailable,
    Passing,
)
from tests.servers.postgres import PostgresServer
from tests.servers.process import free_port
from tests.servers.room import little_room, small_disks

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


class Local(Base):
    """Tables apart from the product's, which other tests compare with the migrations."""

    __abstract__ = True
    metadata = MetaData()


class Shelf(Local):
    """A row that others refer to."""

    __tablename__ = "test_shelves"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Box(Local):
    """A row with a key of two columns, a unique name, and a time."""

    __tablename__ = "test_boxes"
    __table_args__ = (UniqueConstraint("name"),)

    tenant: Mapped[str] = mapped_column(String(16), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(64))
    note: Mapped[str | None] = mapped_column(String(1_000_000))
    packed_at: Mapped[datetime]
    shelf: Mapped[int | None] = mapped_column(ForeignKey("test_shelves.id"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = opened(database_url)
    yield database
    database.close()


def opened(url: str) -> Database:
    """A database with the tables of this module, that waits but briefly for locks."""
    database = Database(url, lock_timeout_s=0.3)
    Local.metadata.create_all(database.engine)
    return database


def box(number: int = 1, **values: object) -> Box:
    return Box(
        **{"tenant": "a", "number": number, "name": f"box {number}", "packed_at": NOON} | values
    )


def names(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(Box.name).order_by(Box.number)))


@pytest.mark.every_backend
def test_a_row_is_written_and_written_over(database: Database) -> None:
    with database.begin() as session:
        upsert(session, box(1, name="first", note="old"))
        upsert(session, box(2))
    with database.begin() as session:
        upsert(session, box(1, name="second"))
    assert names(database) == ["second", "box 2"]
    with database.read() as session:
        assert session.get_one(Box, ("a", 1)).note is None


@pytest.mark.every_backend
def test_a_session_sees_what_it_wrote_over(database: Database) -> None:
    with database.begin() as session:
        session.add(box(1, name="first"))
    with database.begin() as session:
        known = session.get_one(Box, ("a", 1))
        upsert(session, box(1, name="second"))
        assert known.name == "second"


@pytest.mark.every_backend
def test_what_waits_to_be_written_is_there_to_refer_to(database: Database) -> None:
    with database.begin() as session:
        session.add(Shelf(id=7))
        upsert(session, box(1, shelf=7))
    with database.begin() as session:
        upsert(session, Shelf(id=7))
        assert not insert_if_absent(session, Shelf(id=7))


@pytest.mark.every_backend
def test_many_writers_of_one_row_do_not_collide(database_url: str, database: Database) -> None:
    waiting = Database(database_url)

    def write(number: int) -> None:
        with waiting.begin() as session:
            upsert(session, box(1, name=f"writer {number}"))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(64)))
    assert len(names(database)) == 1
    waiting.close()


@pytest.mark.every_backend
def test_of_many_who_insert_a_row_one_does(database_url: str, database: Database) -> None:
    waiting = Database(database_url)
    together = threading.Barrier(8)

    def write(number: int) -> bool:
        together.wait()
        with waiting.begin() as session:
            return insert_if_absent(session, box(1, name=f"writer {number}"))

    with ThreadPoolExecutor(8) as threads:
        written = list(threads.map(write, range(8)))
    assert written.count(True) == 1
    assert names(database) == [f"writer {written.index(True)}"]
    waiting.close()


@pytest.mark.every_backend
def test_a_row_is_absent_only_if_all_that_must_be_unique_is_free(database: Database) -> None:
    with database.begin() as session:
        assert insert_if_absent(session, box(1, name="taken"))
        assert not insert_if_absent(session, box(2, name="taken"))
        assert insert_if_absent(session, box(2, name="free"))
    assert names(database) == ["taken", "free"]


@pytest.mark.every_backend
def test_times_come_back_as_utc(database: Database) -> None:
    in_tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    with database.begin() as session:
        session.add(box(1, packed_at=in_tokyo))
        upsert(session, box(2, packed_at=NOON + timedelta(microseconds=1)))
    with database.read() as session:
        found = list(session.scalars(select(Box.packed_at).order_by(Box.packed_at)))
        later = session.scalars(select(Box.number).where(Box.packed_at > in_tokyo)).all()
        latest = session.scalar(select(func.max(Box.packed_at)))
    assert found == [NOON, NOON + timedelta(microseconds=1)]
    assert {time.tzinfo for time in found} == {UTC}
    assert later == [2]
    assert latest is not None
    assert latest.tzinfo is UTC


@pytest.mark.every_backend
def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(DatabaseFailed, match="no time zone"), database.begin() as session:
        session.add(box(1, packed_at=datetime(2026, 3, 4)))


@pytest.mark.every_backend
def test_what_failed_leaves_nothing_behind(database: Database) -> None:
    def write_and(statement: str) -> None:
        with database.begin() as session:
            upsert(session, box(1))
            session.execute(text(statement))
            raise KeyError

    with pytest.raises(DatabaseFailed):
        write_and("SELECT no_such_column FROM test_boxes")
    with pytest.raises(KeyError):
        write_and("SELECT name FROM test_boxes")
    assert names(database) == []


@pytest.mark.every_backend
def test_a_broken_reference_is_a_defect_that_does_not_pass(database: Database) -> None:
    with pytest.raises(DatabaseFailed) as caught, database.begin() as session:
        upsert(session, box(1, shelf=404))
    assert not isinstance(caught.value, Passing)


@pytest.mark.every_backend
def test_a_reader_sees_one_moment_and_waits_for_no_writer(database: Database) -> None:
    with database.begin() as session:
        upsert(session, box(1))
    with database.read() as reader:
        assert reader.scalar(select(func.count()).select_from(Box)) == 1
        with database.begin() as session:
            upsert(session, box(2))
            assert reader.scalar(select(func.count()).select_from(Box)) == 1
        assert reader.scalar(select(func.count()).select_from(Box)) == 1
    assert len(names(database)) == 2


@pytest.mark.every_backend
def test_a_writer_that_waits_too_long_says_that_it_is_locked(database: Database) -> None:
    with database.begin() as session:
        upsert(session, box(1))
    with database.begin() as session:
        upsert(session, box(1, name="held"))
        with pytest.raises(DatabaseLocked, match="is locked"), database.begin() as other:
            upsert(other, box(1, name="late"))
    assert names(database) == ["held"]
    assert issubclass(DatabaseLocked, Passing)


def test_two_who_wait_for_each_other_are_told_that_it_passes(postgres_url: str) -> None:
    database = opened(postgres_url)
    patient = Database(postgres_url, lock_timeout_s=60)
    with database.begin() as session:
        upsert(session, box(1))
        upsert(session, box(2))
    together = threading.Barrier(2)

    def write(numbers: tuple[int, int]) -> type[BaseException] | None:
        try:
            with patient.begin() as session:
                upsert(session, box(numbers[0]))
                together.wait()
                upsert(session, box(numbers[1]))
        except DatabaseError as error:
            return type(error)
        return None

    with ThreadPoolExecutor(2) as threads:
        ends = list(threads.map(write, [(1, 2), (2, 1)]))
    assert set(ends) == {None, DatabaseLocked}
    patient.close()
    database.close()


def test_a_full_sqlite_file_is_named_and_passes(tmp_path: Path) -> None:
    database = opened(sqlite_url(tmp_path / "test.db"))
    with database.begin() as session:
        session.execute(text("PRAGMA max_page_count = 40"))
    with pytest.raises(DatabaseFull, match=r"test\.db is full"), database.begin() as session:
        upsert(session, box(1, note="x" * 400_000))
    database.close()
    database = opened(sqlite_url(tmp_path / "test.db"))
    with database.begin() as session:
        upsert(session, box(1, note="x" * 400_000))
    database.close()
    assert issubclass(DatabaseFull, Passing)


@pytest.mark.parametrize("way", small_disks())
def test_a_full_disk_under_sqlite_passes_and_loses_nothing(tmp_path: Path, way: str) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    # Of a file that may not grow SQLite knows only that writing failed.
    expected = DatabaseFull if way == "small disk" else DatabaseUnavailable
    with little_room(way, folder, 512 * 1024):
        database = opened(sqlite_url(folder / "test.db"))
        with database.begin() as session:
            upsert(session, box(1))
        with pytest.raises(expected), database.begin() as session:
            upsert(session, box(2, note="x" * 1_000_000))
        with database.begin() as session:
            upsert(session, box(3))
        assert names(database) == ["box 1", "box 3"]
        database.close()


def test_a_sqlite_file_that_can_not_be_opened_passes(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "none" / "test.db"))
    with (
        pytest.raises(DatabaseUnavailable, match="unable to open database file"),
        database.begin() as session,
    ):
        session.execute(text("SELECT 1"))


def test_a_sqlite_file_that_may_not_be_written_passes(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    opened(sqlite_url(path)).close()
    database = Database(f"sqlite:///file:{path}?mode=ro&uri=true")
    with (
        pytest.raises(DatabaseUnavailable, match="can't be written") as caught,
        database.begin() as session,
    ):
        upsert(session, box(1))
    assert "rights of its file" in caught.value.cure
    database.close()


def test_a_sqlite_file_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "what? 100%25 #1.db"
    database = opened(sqlite_url(path))
    database.close()
    assert path.exists()


def test_deleted_rows_are_gone_from_the_file(tmp_path: Path) -> None:
    database = opened(sqlite_url(tmp_path / "test.db"))
    with database.begin() as session:
        for number in range(200):
            upsert(session, box(number, note=f"clip of a face {number}"))
    with database.begin() as session:
        session.execute(delete(Box).where(Box.number < 150))
    database.forget_deleted()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"clip of a face 150" in written
    assert b"clip of a face 149" not in written
    assert b"clip of a face 1" + b"\0" not in written
    with database.begin() as session:
        session.execute(delete(Box))
        with pytest.raises(DatabaseLocked, match="in use"):
            database.forget_deleted()
    database.close()


def test_postgresql_forgets_by_itself(postgres_url: str) -> None:
    database = opened(postgres_url)
    database.forget_deleted()
    database.close()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_way_to_write_postgresql_means_the_same_driver(
    scheme: str, postgres_url: str
) -> None:
    database = Database(postgres_url.replace("postgresql", scheme, 1))
    assert database.engine.driver == "psycopg"
    with database.read() as session:
        assert session.scalar(text("SELECT 1")) == 1
    database.close()


def test_a_reader_on_postgresql_can_not_write(postgres_url: str) -> None:
    database = opened(postgres_url)
    with pytest.raises(DatabaseUnavailable, match="can't be written"), database.read() as session:
        upsert(session, box(1))
    with database.begin() as session:
        upsert(session, box(1))
    database.close()


@pytest.mark.parametrize(
    "url",
    ["mysql://u:pass-word@host/db", "u:pass-word@host", "postgresql://u:pass-word@host:port/db"],
)
def test_an_address_of_no_supported_database_is_refused(url: str) -> None:
    with pytest.raises(DatabaseFailed) as caught:
        Database(url)
    assert "pass-word" not in str(caught.value)


def test_a_server_that_is_not_there_passes_and_its_password_stays_secret() -> None:
    port = free_port()
    database = Database(f"postgresql://user:keep-me-secret@127.0.0.1:{port}/videos")
    with pytest.raises(DatabaseUnavailable) as caught, database.begin() as session:
        session.execute(text("SELECT 1"))
    assert f"videos on 127.0.0.1:{port} can't be reached" in str(caught.value)
    assert "keep-me-secret" not in str(caught.value)
    assert isinstance(caught.value, Passing)


def test_a_database_that_is_not_there_is_told_by_name(postgres_server: PostgresServer) -> None:
    database = Database(postgres_server.url("no_such_database"))
    with pytest.raises(DatabaseUnavailable, match="no_such_database"), database.read() as session:
        session.execute(text("SELECT 1"))


def test_a_connection_that_the_server_ends_passes(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    database = opened(postgres_url)

    def write_without_connection() -> None:
        with database.begin() as session:
            upsert(session, box(1))
            own = session.scalar(text("SELECT pg_backend_pid()"))
            postgres_server.execute(f"SELECT pg_terminate_backend({own})")
            upsert(session, box(2))

    with pytest.raises(DatabaseUnavailable):
        write_without_connection()
    assert names(database) == []
    database.close()


def test_a_server_that_restarts_is_found_again(own_postgres_server: PostgresServer) -> None:
    database = opened(own_postgres_server.url())
    with database.begin() as session:
        upsert(session, box(1))
    own_postgres_server.stop()
    with pytest.raises(DatabaseUnavailable), database.begin() as session:
        upsert(session, box(2))
    own_postgres_server.start()
    with database.begin() as session:
        upsert(session, box(3))
    assert names(database) == ["box 1", "box 3"]
    database.close()


def test_a_server_with_no_connection_left_passes(own_postgres_server: PostgresServer) -> None:
    own_postgres_server.execute("CREATE ROLE guest LOGIN CONNECTION LIMIT 1")
    url = own_postgres_server.url().replace("clipwarden:", "guest:")
    database = Database(url)
    with (
        psycopg.connect(url),
        pytest.raises(DatabaseUnavailable, match="too many connections"),
        database.read() as session,
    ):
        session.execute(text("SELECT 1"))
    database.close()


def test_a_session_on_postgresql_notices_a_cut_link_from_both_ends(postgres_url: str) -> None:
    database = Database(postgres_url)
    query = "SELECT current_setting(:name)"
    with database.read() as session:
        seen_by_server = {
            name: session.scalar(text(query), {"name": name})
            for name in ("tcp_keepalives_idle", "tcp_user_timeout", "lock_timeout")
        }
        raw = session.connection().connection.dbapi_connection
        assert isinstance(raw, psycopg.Connection)
        seen_by_client = raw.info.get_parameters()
    assert seen_by_server == {
        "tcp_keepalives_idle": "5",
        "tcp_user_timeout": "12000",
        "lock_timeout": "30s",
    }
    assert seen_by_client["tcp_user_timeout"] == "12000"
    assert seen_by_client["keepalives_idle"] == "5"
    database.close()


def test_without_the_extra_the_cure_names_it() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from ingest.database import Database\n"
        "from ingest.errors import DatabaseFailed\n"
        "try: Database('postgresql://host/db')\n"
        "except DatabaseFailed as error: print(error.cure)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True
    )
    assert "clipwarden[postgres]" in done.stdout
