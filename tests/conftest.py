"""Fixtures shared by all tests: a real queue server, a real database, a real blob store."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from pydantic import SecretStr

from clipwarden.data_folder import DataFolder
from clipwarden.migrations import migrate
from clipwarden.queue_server import running_server
from ingest.claiming import claim_blobs
from ingest.settings import StoreSettings
from ingest.stores import Stores

pytest_plugins = ["tests.servers.postgres", "tests.servers.s3"]

# How long an example takes says more about the machine's other work than about the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

FILES = "sqlite+folder"
SERVERS = "postgres+s3"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that is marked `every_backend`, and uses the stores, on each kind of them."""
    is_marked = metafunc.definition.get_closest_marker("every_backend") is not None
    if is_marked and "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", [FILES, SERVERS], indirect=True)


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own settings out of the tests."""
    own = [name for name in os.environ if name.startswith(("CLIPWARDEN_", "AWS_", "PG"))]
    for name in {"REDIS_URL", *own} - {"CLIPWARDEN_TEST_ALL"}:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session", autouse=True)
def a_home_of_our_own() -> Iterator[None]:
    """Keep converted models out of the developer's folders, and between runs of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        own = Path(__file__).parents[1] / ".cache" / "tests"
        patch.setenv("XDG_CACHE_HOME", str(own))
        patch.setenv("XDG_DATA_HOME", str(own / "data"))
        yield


@pytest.fixture(scope="session", autouse=True)
def interrupts_are_heard() -> None:
    """Undo what a shell does to jobs in the background: they, and all they start, ignore Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            handler = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, handler)


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
def backend(request: pytest.FixtureRequest) -> str:
    """Which stores a test runs on: files, or servers."""
    return str(getattr(request, "param", FILES))


@pytest.fixture
def database_url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of an empty database of one test."""
    if backend == SERVERS:
        return str(request.getfixturevalue("postgres_url"))
    return DataFolder.prepare(tmp_path / "data").database_url


@pytest.fixture
def blob_url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of an empty blob store of one test."""
    if backend == SERVERS:
        return str(request.getfixturevalue("bucket_url"))
    return DataFolder.prepare(tmp_path / "data").blob_url


@pytest.fixture
def store_settings(queue_server: str, database_url: str, blob_url: str) -> StoreSettings:
    """Stores of one test: the shared queue server, a database and a blob store of its own."""
    return StoreSettings(
        redis_url=SecretStr(queue_server),
        database_url=SecretStr(database_url),
        blob_url=blob_url,
    )


@pytest.fixture
def stores(store_settings: StoreSettings) -> Iterator[Stores]:
    """Opened stores, migrated and empty but for the blob store's name."""
    stores = Stores.open(store_settings)
    stores.redis.flushall()
    migrate(stores.database)
    claim_blobs(stores)
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
