"""A served installation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clipwarden.api.settings import ApiSettings
from ingest.settings import StoreSettings
from ingest.stores import Stores
from tests.api.serving import ROLES, Server, serving


@pytest.fixture
def settings(store_settings: StoreSettings) -> ApiSettings:
    """Served at a port that the system chooses; three roles are expected."""
    return ApiSettings(stores=store_settings, port=0, expected_roles=ROLES)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the HTTP process logs to."""
    return tmp_path / "api.log"


@pytest.fixture
def server(stores: Stores, settings: ApiSettings, log: Path) -> Iterator[Server]:
    """The HTTP process of the test's stores, which must end as it should."""
    with serving(settings, log) as server:
        yield server
    assert server.process.returncode == 0
    assert log.read_text() == ""
