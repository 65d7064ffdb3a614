"""A real PostgreSQL server for the session, and a database of its own for each test."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.servers.process import await_answer, end, free_port

CURE = "install PostgreSQL's server: apt-get install postgresql"

_USER = "clipwarden"
# Nobody's data: speed alone matters.
_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
    "listen_addresses": "127.0.0.1",
}


@dataclass
class PostgresServer:
    """A server process on a folder and a port that it keeps when it is started again."""

    binaries: Path
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, or start again."""
        options = {**_OPTIONS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        words = [f"--{name}={value}" for name, value in options.items()]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.folder / "data", *words],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_unprivileged(),
            )
        await_answer(self.process, self._answers, self._log.read_text)

    def stop(self) -> None:
        """End the server, and at once every connection."""
        if self.process is not None:
            # Its fast shutdown: SIGTERM waits for clients to leave.
            self.process.send_signal(signal.SIGINT)
            end(self.process)

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases; the password is there to be kept out of messages."""
        return f"postgresql://{_USER}:keep-me-secret@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Run a statement of administration."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server for the whole session."""
    yield from _running_server()


@pytest.fixture
def own_postgres_server() -> Iterator[PostgresServer]:
    """A server for one test, which may stop it."""
    yield from _running_server()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database of one test."""
    name = f"test_{uuid.uuid4().hex}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _running_server() -> Iterator[PostgresServer]:
    binaries = _binaries()
    # Not below pytest's own folder, which is closed to other users.
    with tempfile.TemporaryDirectory(prefix="clipwarden-postgres-") as name:
        folder = Path(name)
        who = _unprivileged()
        if who:
            os.chown(folder, who["user"], who["group"])
        words = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(
            [binaries / "initdb", *words, f"--username={_USER}", "-D", folder / "data"],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            **who,
        )
        assert done.returncode == 0, done.stderr
        server = PostgresServer(binaries, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _binaries() -> Path:
    """Where `initdb` and `postgres` are; Debian keeps them off the path."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    pytest.skip(CURE)


def _unprivileged() -> dict[str, Any]:
    """Another user for root's subprocess: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    pytest.skip("run the tests as another user than root, or add a user `postgres`")
