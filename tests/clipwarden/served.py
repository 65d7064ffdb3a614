"""A whole installation that is served, for the tests of one module."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clipwarden.data_folder import DataFolder
from clipwarden.installation import StoreEnvironment
from clipwarden.joining import joined_stores
from clipwarden.overview import Selection, SubmissionInfo, read_overview
from ingest.queue.gate import Gate
from ingest.queue.meters import Meter, read_meters
from ingest.stores import Stores
from ingest.submissions import find_submission
from ingest.tables import DEFAULT_TENANT
from ingest.works import work_of
from tests.clipwarden.command import Product, wait_for
from tests.clipwarden.service import Service


class Served:
    """A running `clipwarden serve` with the starter, and commands that talk to it."""

    def __init__(self, data: Path) -> None:
        # An empty REDIS_URL is none: a developer's own must not be used.
        self.product = Product(data, {"REDIS_URL": "", "HF_HUB_OFFLINE": "1"})
        self.folder = DataFolder(data)

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Serve in the block; fails where a process outlives it."""
        service = Service(
            self.product, "serve", "--model", "starter", "--samplers", "1", "--port", "0"
        )
        try:
            service.await_ready()
            yield
        finally:
            status = service.end()
            left = list(self.product.processes())
            for one in left:
                one.kill()
        assert status == 0, service.lines
        assert left == []

    def run(self, *words: str | Path, status: int = 0) -> str:
        """Run a command, which must end with that status, and return its stdout."""
        done = self.product.run(*words)
        assert done.returncode == status, done.stderr
        return done.stdout

    def json(self, *words: str | Path, status: int = 0) -> Any:
        """Run a command with `--format json` and return what it prints."""
        return json.loads(self.run(*words, "--format", "json", status=status))

    def error(self, *words: str | Path, status: int = 1) -> str:
        """Run a command that must end with that status and one line on stderr; return that."""
        done = self.product.run(*words)
        assert done.returncode == status, done.stderr
        [line] = done.stderr.splitlines()
        return line

    def submit(self, *words: str | Path) -> str:
        """Submit one file and return its id."""
        return str(self.json("submit", *words)["id"])

    def submission(self, submission_id: str) -> SubmissionInfo:
        """How one submission stands."""
        with self.stores() as stores:
            [found] = read_overview(stores, Selection((submission_id,))).submissions
        return found

    def wait_for_frames(self, submission_id: str) -> None:
        """Wait until frames of a submission are embedded while more are to come."""
        with self.stores() as stores:
            row = find_submission(stores.database, DEFAULT_TENANT, submission_id)
            gate = Gate(stores.redis, work_of(row))
            wait_for(lambda: gate.progress().embedded)

    @contextlib.contextmanager
    def stores(self) -> Iterator[Stores]:
        """The stores of the installation."""
        with joined_stores(self.folder, StoreEnvironment()) as stores:
            yield stores

    def frames(self, stage: str) -> float:
        """How many frames have gone through a stage so far."""
        with self.stores() as stores:
            return read_meters(stores.redis).get((Meter.FRAMES, stage), 0.0)
