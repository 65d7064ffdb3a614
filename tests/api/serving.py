"""The HTTP process, started as the supervisor starts it and asked by urllib."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from clipwarden.api.settings import ApiSettings
from ingest.queue.presence import ModelOnCard, Presence, State, announce_presence
from ingest.stores import Stores

ROLES = ("sample", "embed", "finish")
MODEL_KEY = "0123456789abcdef"


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers and body."""

    status: int
    headers: Message
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


@dataclass(frozen=True)
class Server:
    """A running HTTP process."""

    process: subprocess.Popen[str]
    port: int

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a path, whatever the status of the answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read().decode())

    def unready(self) -> dict[str, Any]:
        """What /readyz finds wrong, by check; nothing where it says ready."""
        answer = self.get("/readyz")
        checks = answer.json["checks"]
        wrong = {check["name"]: check["error"] for check in checks if not check["ok"]}
        assert answer.status == (503 if wrong else 200)
        assert answer.json["status"] == ("unready" if wrong else "ready")
        return wrong


def start(settings: ApiSettings, log: Path) -> subprocess.Popen[str]:
    """Start the process and hand it its settings."""
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "clipwarden.api.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    assert process.stdin is not None
    process.stdin.write(settings.model_dump_json() + "\n")
    process.stdin.flush()
    return process


def first_words(process: subprocess.Popen[str]) -> Any:
    """Wait for the line that says ready, or why not."""
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def end(process: subprocess.Popen[str]) -> int:
    """Ask a process to stop, and return its status."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with process:
        return process.wait(30)


@contextlib.contextmanager
def serving(settings: ApiSettings, log: Path) -> Iterator[Server]:
    """Serve during the block."""
    process = start(settings, log)
    try:
        words = first_words(process)
        assert words["ready"], words
        assert words["pid"] == process.pid
        yield Server(process, words["port"])
    finally:
        end(process)


def at_work(role: str, **facts: Any) -> Presence:
    """A process that says it is at work."""
    usual = Presence(
        name=f"{role}-1",
        role=role,
        host="here",
        pid=4711,
        state=State.IDLE,
        jobs_done=7,
        rss_bytes=1_000_000,
    )
    return usual.model_copy(update=facts)


def everybody_at_work(stores: Stores) -> None:
    """Announce one process of each role; the embedding one holds a model on a card."""
    model = ModelOnCard(
        key=MODEL_KEY, id="starter", card="{}", device="cuda:0", memory_bytes=2_000_000
    )
    for role in ROLES:
        held = model if role == "embed" else None
        announce_presence(stores.redis, at_work(role, model=held))
