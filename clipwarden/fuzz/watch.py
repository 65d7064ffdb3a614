"""Looks at the decoding processes from outside while they work: their memory, and how long."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from ingest.media.decoder import DecodeSession

_LOOK_EVERY_S = 0.03
_REAP_WITHIN_S = 2.0
_PEAK = re.compile(r"^VmPeak:\s+(\d+) kB$", re.MULTILINE)


@dataclass(eq=False)
class Watched:
    """One decoding under watch: the most memory it was seen with, and whether it hung."""

    session: DecodeSession
    until_s: float
    peak_bytes: int = 0
    hung: bool = False


class Watch:
    """A thread that looks at every decoding in turn; one that takes too long is killed."""

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def begin(self, session: DecodeSession, longest_s: float) -> Watched:
        """Watch a session that is about to be entered, for at most that long."""
        watched = Watched(session, time.monotonic() + longest_s)
        with self._lock:
            self._watched.add(watched)
        return watched

    def end(self, watched: Watched) -> None:
        """Look no more; the session is left."""
        with self._lock:
            self._watched.discard(watched)

    def _run(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            with self._lock:
                for watched in self._watched:
                    self._look_at(watched)

    def _look_at(self, watched: Watched) -> None:
        if (pid := child_pid(watched.session)) is None:
            return
        watched.peak_bytes = max(watched.peak_bytes, _peak_bytes(pid))
        if time.monotonic() > watched.until_s and not watched.hung:
            watched.hung = True
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def child_pid(session: DecodeSession) -> int | None:
    """The decoding process of a session, or None while none is started."""
    with suppress(AssertionError):
        return session.child_pid
    return None


def left_alive(pid: int) -> list[int]:
    """Processes that the decoding process or its children left behind; grants a moment to go."""
    deadline = time.monotonic() + _REAP_WITHIN_S
    while left := [other for other in psutil.pids() if _session_of(other) == pid]:
        if time.monotonic() > deadline:
            return left
        time.sleep(_LOOK_EVERY_S)
    return []


def _session_of(pid: int) -> int | None:
    with suppress(OSError):
        return os.getsid(pid)
    return None


def _peak_bytes(pid: int) -> int:
    """The most address space a process has had; 0 where it is gone."""
    with suppress(OSError):
        if match := _PEAK.search(Path(f"/proc/{pid}/status").read_text()):
            return int(match[1]) * 1024
    return 0
