"""What a supervisor tells while it runs: lines for people, or JSON lines for programs."""

from __future__ import annotations

import contextlib
import signal
import sys
from datetime import datetime

import structlog

from clipwarden.cli.options import LogFormat
from clipwarden.events import Event, What
from ingest.queue.logs import redact
from ingest.queue.process import log_to_stderr
from worker.classifiers.load import missing_classifiers

_BAD = (What.DIED, What.REFUSED, What.KILLED)


class ServiceLog:
    """Writes events to stderr; that nobody reads them ends no service."""

    def __init__(self, command: str, log_format: LogFormat) -> None:
        self._log = None
        if log_format is LogFormat.JSON:
            log_to_stderr(command)
            self._log = structlog.get_logger("clipwarden.service")
        self._ports: dict[str, int] = {}

    def observe(self, event: Event) -> None:
        """Tell one event."""
        if event.port is not None:
            self._ports[event.process] = event.port
        if self._log is None:
            self.write(f"{datetime.now():%H:%M:%S}  {event.process:<11} {_words(event)}")
        else:
            level = "warning" if event.what in _BAD else "info"
            getattr(self._log, level)(event.what.value, **_facts(event))

    def ready(self, facts: dict[str, str], next_step: str | None = None) -> None:
        """Tell that everything runs, and what to do with it."""
        if self._log is not None:
            self._log.info("all ready", **facts)
            return
        lines = ["", "Clipwarden is ready.", ""]
        lines += [f"  {name:<12} {value}" for name, value in facts.items()]
        lines += ["", f"Next: {next_step}", ""] if next_step else [""]
        self.write("\n".join(lines))

    def missing_classifiers(self) -> None:
        """Tell which frame classifiers this host lacks, before somebody submits what needs them."""
        for error in missing_classifiers().values():
            words = f"{error.message} What needs it, as `moderation` does, will be refused."
            if self._log is None:
                self.write(f"warning: {words} {error.cure}")
            else:
                self._log.warning(words, cure=error.cure)

    def port(self, process: str) -> int | None:
        """Where a process said that it listens."""
        return self._ports.get(process)

    def write(self, text: str) -> None:
        """Write lines for people."""
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def _words(event: Event) -> str:
    words = {
        What.STARTED: f"started as process {event.pid}",
        What.ADOPTED: f"found alive as process {event.pid}, left by a killed service",
        What.READY: "ready",
        What.RECYCLED: "did its share, makes way for a fresh process",
        What.REFUSED: "can't work now",
        What.DIED: f"died ({_ending(event.status)})",
        What.STOPPED: "stopped",
        What.KILLED: "did not end when asked to: killed",
    }[event.what]
    if event.error is not None:
        reason = " ".join(str(event.error).split())
        words += f": {redact(reason)}"
    if event.restart_in_s and event.what in _BAD:
        words += f"; next start in {event.restart_in_s:.0f} s"
    elif event.what is What.DIED:
        words += "; starting another"
    return words


def _ending(status: int | None) -> str:
    if status is not None and status < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-status).name
    return "status unknown" if status is None else f"status {status}"


def _facts(event: Event) -> dict[str, object]:
    facts: dict[str, object] = {
        "process": event.process,
        "process_pid": event.pid,
        "status": event.status,
        "restart_in_s": event.restart_in_s,
        "port": event.port,
    }
    if event.error is not None:
        facts |= {"reason": event.error.message, "cure": event.error.cure}
    return {name: value for name, value in facts.items() if value is not None}
