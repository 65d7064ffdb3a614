"""Giving a step that waits for others only so much time, whatever it is stuck in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import TypeVar

from ingest.errors import SourceTimedOut

T = TypeVar("T")


class Cutoff:
    """Tells a step that nobody waits for it any more, and ends what it is stuck in."""

    def __init__(self) -> None:
        self._is_past = threading.Event()
        self._closers: list[Callable[[], object]] = []

    @property
    def is_past(self) -> bool:
        """Whether the step is to stop."""
        return self._is_past.is_set()

    def closes(self, close: Callable[[], object]) -> None:
        """Have something called when time is up, such as a socket's shutdown; it may raise OSError.

        It is called in another thread, and also after a step that came to its own end.
        """
        self._closers.append(close)

    def pass_by(self) -> None:
        """Let time be up."""
        self._is_past.set()
        for close in self._closers:
            with suppress(OSError):
                close()


def within(timeout_s: float | None, step: Callable[[Cutoff], T], late: str) -> T:
    """Run a step in a thread of its own and return what it returns, or raise what it raises.

    A resolver, a TLS handshake or a foreign client can be stuck where no timeout reaches it: the
    thread is then left behind. Without a timeout it only lets an interrupt through. Raises
    SourceTimedOut with the words `late`.
    """
    cutoff = Cutoff()
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(step(cutoff))
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, name="fetch", daemon=True).start()
    try:
        if not wait([outcome], timeout_s).done:
            raise SourceTimedOut(late, "Fetch it by other means, and give the file.")
        return outcome.result()
    finally:
        cutoff.pass_by()
