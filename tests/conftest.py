"""Fixtures shared by all tests: a real queue server, a real database, a real blob store."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from clipwarden.data_folder import DataFolder
from clipwarden.migrations import migrate
from clipwarden.queue_server import running_server
from ingest.settings import StoreSettings
from ingest.stores import Stores


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own settings out of the tests."""
    for name in ("REDIS_URL", "CLIPWARDEN_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def signal_handlers_as_before() -> Iterator[None]:
    """Take back the handlers that RQ's workers leave in the process of the tests."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def queue_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real queue server for the whole session; yields its URL."""
    folder = DataFolder.prepare(tmp_path_factory.mktemp("server"))
    with folder.lock(), running_server(folder) as url:
        yield url


@pytest.fixture
def store_settings(queue_server: str, tmp_path: Path) -> StoreSettings:
    """Stores of one test: the shared server, a database and a blob folder of its own."""
    folder = DataFolder.prepare(tmp_path / "data")
    return StoreSettings(
        redis_url=SecretStr(queue_server),
        database_url=SecretStr(folder.database_url),
        blob_url=folder.blob_url,
    )


@pytest.fixture
def stores(store_settings: StoreSettings) -> Iterator[Stores]:
    """Opened stores, migrated and empty."""
    stores = Stores.open(store_settings)
    stores.redis.flushall()
    migrate(stores.database)
    yield stores
    stores.redis.flushall()
    stores.close()


@pytest.fixture(scope="session", autouse=True)
def skips_are_failures_in_full_runs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a `--all` run in which anything was skipped."""
    yield
    if os.environ.get("CLIPWARDEN_TEST_ALL") == "1":
        reporter = request.config.pluginmanager.get_plugin("terminalreporter")
        skipped = reporter.stats.get("skipped", []) if reporter else []
        assert not skipped, f"{len(skipped)} tests were skipped in a run that skips nothing"
