"""Workers on real stores, and a video of three scenes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rq import SimpleWorker
from structlog.testing import capture_logs

from ingest.stores import Stores
from tests.worker.chain import Chain, write_three_scenes


@pytest.fixture(autouse=True)
def no_pretty_tracebacks() -> Iterator[None]:
    """Keep what workers log out of the output: drawing a traceback takes half a second."""
    with capture_logs():
        yield


@pytest.fixture(autouse=True)
def no_commands_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep RQ from listening for commands: ceasing to takes it a second now and then."""
    monkeypatch.setattr(SimpleWorker, "subscribe", lambda _worker: None)


@pytest.fixture
def chain(stores: Stores) -> Chain:
    """Workers that hold a fake model."""
    return Chain(stores)


@pytest.fixture(scope="session")
def three_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds each of red, green and blue."""
    return write_three_scenes(tmp_path_factory.mktemp("clips") / "scenes.mp4")
