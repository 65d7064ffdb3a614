"""The life of a worker process, the same for every role."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

from ingest.claiming import require_blobs_at_start
from ingest.queue.process import (
    EXIT_FAILED,
    EXIT_RECYCLED,
    announce_failure,
    announce_ready,
    end_with_parent,
    log_to_stderr,
    read_settings,
)
from ingest.queue.worker import PinnedWorker
from ingest.settings import ProcessSettings
from ingest.stores import Stores
from prompts.errors import ClipwardenError

_log = structlog.get_logger("clipwarden.queue")

Settings = TypeVar("Settings", bound=ProcessSettings)


def run_process(
    role: str, kind: type[Settings], build: Callable[[Settings, Stores], PinnedWorker]
) -> int:
    """Read settings, build the worker, say ready, work until told to stop; return the status."""
    log_to_stderr(role)
    settings = read_settings(kind)
    end_with_parent()
    try:
        stores = Stores.open(settings.stores, patient=True)
        require_blobs_at_start(stores)
        worker = build(settings, stores)
    except ClipwardenError as error:
        announce_failure(error)
        return EXIT_FAILED
    announce_ready()
    try:
        worker.work(logging_level="WARNING")
    except (ClipwardenError, RedisError) as error:
        # On the way out, with the queue server gone: what was leased lapses.
        _log.warning("ending without a farewell", reason=str(error))
        return EXIT_FAILED
    finally:
        # The interpreter drops our handlers on its way out: a late signal would look like a death.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        stores.close()
    if worker.broken:
        return EXIT_FAILED
    if worker.recycled:
        return EXIT_RECYCLED
    # RQ's loop logs what it did not foresee and returns.
    return 0 if worker.was_told_to_stop else EXIT_FAILED
