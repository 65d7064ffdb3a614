"""What happens to the processes that somebody supervises, told as it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from prompts.errors import ClipwardenError


class What(StrEnum):
    """What happened to a process."""

    STARTED = "started"
    ADOPTED = "adopted"
    """A killed supervisor left it behind, alive."""
    READY = "ready"
    RECYCLED = "recycled"
    """It did its share and made way for a fresh one."""
    REFUSED = "refused"
    """It said why it can't work now; it will be tried again."""
    DIED = "died"
    STOPPED = "stopped"
    KILLED = "killed"
    """It did not end when it was asked to."""


@dataclass(frozen=True)
class Event:
    """One thing that happened to one process; what does not apply is None."""

    process: str
    what: What
    pid: int | None = None
    status: int | None = None
    """The exit status; minus the signal's number where a signal ended it."""
    restart_in_s: float | None = None
    error: ClipwardenError | None = None
    port: int | None = None
    """Where a process that is ready listens."""


Observer = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Observe nothing."""
