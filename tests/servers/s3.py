"""A real S3-compatible server for the session, and a bucket of its own for each test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.servers.process import await_answer, end, free_port


@dataclass
class S3Server:
    """A server process; what it holds is gone when it ends."""

    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, **environment: str) -> None:
        """Start, or start again and empty."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        await_answer(self.process, self._answers, self.log.read_text)

    def make_bucket(self) -> str:
        """Make a bucket and return its name."""
        name = f"test-{uuid.uuid4().hex}"
        request = urllib.request.Request(f"{self.endpoint}/{name}", method="PUT")
        urllib.request.urlopen(request).close()
        return name

    def freeze(self) -> None:
        """Stop answering, without closing a connection."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the server."""
        if self.process is not None:
            end(self.process)

    def _answers(self) -> bool:
        with suppress(URLError, OSError):
            urllib.request.urlopen(f"{self.endpoint}/moto-api/").close()
            return True
        return False


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server for the whole session."""
    server = S3Server(tmp_path_factory.mktemp("s3") / "server.log")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_s3_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server for one test, which may stop it."""
    server = S3Server(tmp_path / "s3.log")
    server.start()
    use_s3(server.endpoint, monkeypatch)
    yield server
    server.stop()


@pytest.fixture
def bucket_url(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A blob store's URL in an empty bucket of one test; the environment leads there."""
    use_s3(s3_server.endpoint, monkeypatch)
    return f"s3://{s3_server.make_bucket()}/clipwarden"


def use_s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process and its children the address and the credentials of a server."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
