"""A running `clipwarden serve` or `work`, and what it tells."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import psutil

from tests.clipwarden.command import Product, wait_for

MODULES = {
    "sample-1": "ingest.sampler",
    "embed-0": "worker.embedder",
    "finish": "worker.finisher",
    "scheduler": "worker.keeper",
    "reaper": "worker.keeper",
    "api": "clipwarden.api.server",
}
READY_TIMEOUT_S = 90.0


class Service:
    """A command that stays; its JSON lines are collected while it runs."""

    def __init__(self, product: Product, *words: str | Path) -> None:
        self.process: subprocess.Popen[str] = product.start(*words, "--log-format", "json")
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def events(self, what: str, process: str | None = None) -> list[dict[str, Any]]:
        """The events of one kind so far, of one process or of all."""
        parsed = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [
            event
            for event in parsed
            if event["event"] == what and process in (None, event.get("process"))
        ]

    def await_ready(self) -> dict[str, Any]:
        """Wait until everything runs, and return the facts that are told then."""
        wait_for(
            lambda: self.events("all ready") or self.process.poll() is not None, READY_TIMEOUT_S
        )
        assert self.process.poll() is None, self.lines
        return self.events("all ready")[0]

    def worker(self, name: str) -> psutil.Process:
        """The process that fills a role now."""
        return psutil.Process(self.events("started", name)[-1]["process_pid"])

    def await_restart(self, name: str, ready_before: int) -> None:
        """Wait until a role is ready once more than it was."""
        wait_for(lambda: len(self.events("ready", name)) > ready_before, READY_TIMEOUT_S)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop it and return its exit status."""
        self.process.send_signal(how)
        return self.finish()

    def finish(self) -> int:
        """Wait for its end and its last words."""
        status = self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return status

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
