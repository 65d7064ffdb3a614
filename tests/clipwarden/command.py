"""Running the installed `clipwarden` as a user does, and seeing what it leaves behind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

CLIPWARDEN = Path(sys.executable).with_name("clipwarden")
T = TypeVar("T")
_MARK = "CLIPWARDEN_TEST_RUN"


@dataclass
class Product:
    """Clipwarden on a data folder of its own; its processes carry a mark to be found by."""

    data: Path
    environment: dict[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def start(self, *words: str | Path, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start a command and return while it runs."""
        return subprocess.Popen(
            [CLIPWARDEN, *words],
            env=os.environ
            | {_MARK: self.mark, "CLIPWARDEN_DATA": str(self.data)}
            | self.environment,
            cwd=cwd or self.data.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*words, cwd=cwd)
        stdout, stderr = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def analyze(self, *words: str | Path) -> Any:
        """Analyse with the starter and return the parsed JSON; fails on any other status."""
        done = self.run("analyze", "--model", "starter", "--format", "json", *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def processes(self) -> Iterator[psutil.Process]:
        """Every living process that a command of this product started, or its children did."""
        for process in psutil.process_iter():
            try:
                # The queue server hides its environment, but works inside the data folder.
                marked = process.environ().get(_MARK) == self.mark
                inside = Path(process.cwd()).is_relative_to(self.data.resolve())
                if (marked or inside) and process.status() != psutil.STATUS_ZOMBIE:
                    yield process
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue

    def process_running(self, module: str) -> psutil.Process | None:
        """The process of a module such as `worker.embedder`, if it is there."""
        for process in self.processes():
            # It may end while it is looked at.
            with contextlib.suppress(psutil.NoSuchProcess):
                if module in process.cmdline():
                    return process
        return None


def wait_for(condition: Callable[[], T], timeout_s: float = 60.0) -> T:
    """Poll until a condition gives something true, and return that."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.02)
    return value
