"""Questions to stores that may hang: asked in threads, and waited for a bounded time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

import structlog

from clipwarden.api.errors import CheckFailed, CheckTimedOut
from prompts.errors import ClipwardenError

# Prometheus gives up after ten seconds, load balancers after as little as five.
ANSWER_TIMEOUT_S = 2.5

Answer = TypeVar("Answer")

_log = structlog.get_logger("clipwarden.api")


class Question(Generic[Answer]):
    """One question that many may ask at once, while at most one thread waits for its answer.

    A store that hangs thus costs one thread, however often it is asked about.
    """

    def __init__(self, name: str, ask: Callable[[], Answer]) -> None:
        """Name what is asked for, as it stands in an error, and say how to ask."""
        self._name = name
        self._ask = ask
        self._lock = threading.Lock()
        self._under_way: Future[Answer] | None = None

    def start(self) -> Future[Answer]:
        """Ask, or join those who wait for the answer already."""
        with self._lock:
            if self._under_way is None:
                self._under_way = Future()
                # A daemon: the end of the process must not wait for a store that hangs.
                threading.Thread(
                    target=self._run, args=(self._under_way,), name=f"ask-{self._name}", daemon=True
                ).start()
            return self._under_way

    def answer(self, asked: Future[Answer], deadline_s: float) -> Answer:
        """Wait until a time of the monotonic clock; raises CheckTimedOut or ClipwardenError."""
        done, _ = wait([asked], max(0.0, deadline_s - time.monotonic()))
        if not done:
            raise CheckTimedOut(
                f"the {self._name} did not answer within {ANSWER_TIMEOUT_S:g} s.",
                "See whether it still runs, and whether its machine or network is overloaded.",
            )
        return asked.result()

    def _run(self, asked: Future[Answer]) -> None:
        try:
            answer = self._ask()
        except ClipwardenError as error:
            self._end()
            asked.set_exception(error)
        except BaseException as error:
            _log.exception("asking failed", asked=self._name)
            self._end()
            asked.set_exception(_unforeseen(self._name, error))
        else:
            self._end()
            asked.set_result(answer)

    def _end(self) -> None:
        """Before the answer is given: who has it and asks again wants a new one."""
        with self._lock:
            self._under_way = None


def answer_deadline() -> float:
    """Return until when to wait for answers to questions that are asked now."""
    return time.monotonic() + ANSWER_TIMEOUT_S


def _unforeseen(name: str, error: BaseException) -> CheckFailed:
    failed = CheckFailed(
        f"asking the {name} failed with {type(error).__name__}: {error}.",
        "api.log in the logs folder of the data folder has it; it is worth reporting.",
    )
    failed.__cause__ = error
    return failed
