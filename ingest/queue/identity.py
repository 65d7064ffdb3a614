"""Who a worker process is, and how it says so."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from ingest.queue.presence import ModelOnCard, Presence, State
from ingest.queue.pulse import Run


@dataclass(frozen=True)
class WorkerIdentity:
    """What a worker process tells of itself; `model` says what it holds on its card, now."""

    role: str
    host: str
    model: Callable[[], ModelOnCard] | None = None

    def present(self, name: str, run: Run | None, jobs_done: int, rss_bytes: int) -> Presence:
        """Describe the process as it is now, with the job that it works on."""
        paused = run.watch.waits_for if run else None
        return Presence(
            name=name,
            role=self.role,
            host=self.host,
            pid=os.getpid(),
            state=State.PAUSED if paused else State.BUSY if run else State.IDLE,
            job_id=run.lease.job_id if run else None,
            paused=paused,
            jobs_done=jobs_done,
            rss_bytes=rss_bytes,
            model=self.model() if self.model else None,
        )


def worker_name(role: str) -> str:
    """A new name per process: RQ refuses a fixed one until the dead worker's key expires."""
    return f"{socket.gethostname()}-{role}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
