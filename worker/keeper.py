"""`python -P -m worker.keeper`: the process that looks after the queue and what is kept.

It finds jobs whose workers died, releases retries that are due, puts lost submissions back on the
queue, and deletes what retention says. Several may run at once, on several hosts.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import structlog

from ingest.claiming import require_blobs_at_start
from ingest.errors import Passing
from ingest.queue.attempts import Handler
from ingest.queue.identity import worker_name
from ingest.queue.jobs import EMBED, FINISH, SAMPLE, TEXT
from ingest.queue.payloads import Work
from ingest.queue.presence import Presence, State, announce_presence
from ingest.queue.process import (
    EXIT_FAILED,
    announce_failure,
    announce_ready,
    end_with_parent,
    log_to_stderr,
    on_polite_kill,
    read_settings,
)
from ingest.queue.reaper import Reaper
from ingest.repair import repair
from ingest.sampling import SamplingFailures
from ingest.stores import Stores
from prompts.errors import ClipwardenError
from worker.embedding import EmbeddingFailures
from worker.finishing import FinishingJobs
from worker.results import is_embedded
from worker.retention import delete_expired
from worker.settings import Duty, KeeperSettings
from worker.sweeping import sweep_partial, sweep_pixels

_TICK_S = 0.25
_REAP_S = 1.0
_RELEASE_S = 0.5
_FORGET_S = 60.0
_REPAIR_S = 60.0
_RETENTION_S = 300.0
# It looks at every blob of a folder.
_SWEEP_PARTIAL_S = 6 * 3600.0
_PRESENCE_S = 3.0

_log = structlog.get_logger("clipwarden.keeper")


@dataclass
class Task:
    """Something that is done again and again, every `interval_s` seconds."""

    name: str
    interval_s: float
    run: Callable[[], object]


def handlers_for_lapses(stores: Stores) -> dict[str, Handler]:
    """What to report of each kind of job that is given up; none of them can be run here."""
    chunks, sampling = EmbeddingFailures(stores), SamplingFailures(stores)
    finishing = FinishingJobs(stores)

    def never(_args: object, _claim: object) -> None:
        raise AssertionError("the keeper runs no jobs")

    return {
        SAMPLE: Handler(never, sampling.give_up),
        EMBED: Handler(never, chunks.give_up_chunk),
        TEXT: Handler(never, chunks.give_up_texts),
        FINISH: Handler(never, finishing.give_up),
    }


def tasks_of(settings: KeeperSettings, stores: Stores) -> list[Task]:
    """The tasks of the duties that the settings give, and to say that we are here."""
    reaper = Reaper(stores.redis, handlers_for_lapses(stores))
    presence = _presence_of(settings, stores)

    def embedded(work: Work) -> bool:
        return is_embedded(stores, work)

    tasks = [Task("presence", _PRESENCE_S, presence)]
    if Duty.REAP in settings.duties:
        tasks.append(Task("reap", _REAP_S, reaper.reap))
    if Duty.SCHEDULE in settings.duties:
        tasks += [
            Task("release", _RELEASE_S, reaper.release_due),
            Task("forget", _FORGET_S, reaper.forget_empty_queues),
            Task("repair", _REPAIR_S, lambda: repair(stores, embedded)),
            Task("retention", _RETENTION_S, lambda: delete_expired(stores, settings.retention)),
            Task("sweep", _RETENTION_S, lambda: sweep_pixels(stores)),
            Task("sweep partial", _SWEEP_PARTIAL_S, lambda: sweep_partial(stores)),
        ]
    return tasks


def keep(tasks: list[Task], stop: threading.Event) -> None:
    """Do each task when it is due until told to stop; what fails is done again when due.

    Each has a thread: a repair of a thousand videos, or a database that is locked, must not keep
    retries waiting or have it look as if nobody were here.
    """
    threads = [
        threading.Thread(target=_repeat, args=(task, stop), name=task.name, daemon=True)
        for task in tasks
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _repeat(task: Task, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            task.run()
        except Passing as error:
            _log.warning("task put off", task=task.name, code=error.code, reason=error.message)
        except ClipwardenError as error:
            _log.error("task failed", task=task.name, code=error.code, reason=error.message)
        except Exception as error:
            # A defect that shows once must not end the task for good.
            _log.error("task failed", task=task.name, exc_info=error)
        stop.wait(max(task.interval_s, _TICK_S))


def _presence_of(settings: KeeperSettings, stores: Stores) -> Callable[[], None]:
    role = role_of(settings)
    name, process = worker_name(role), psutil.Process()

    def announce() -> None:
        presence = Presence(
            name=name,
            role=role,
            host=settings.host,
            pid=os.getpid(),
            state=State.BUSY,
            jobs_done=0,
            rss_bytes=process.memory_info().rss,
        )
        announce_presence(stores.redis, presence)

    return announce


def role_of(settings: KeeperSettings) -> str:
    """`reaper`, `scheduler`, or `keeper` for one that is both."""
    if len(settings.duties) > 1:
        return "keeper"
    return "reaper" if Duty.REAP in settings.duties else "scheduler"


def main() -> int:
    """Read settings, say ready, keep until told to stop; return the exit status."""
    log_to_stderr("keeper")
    settings = read_settings(KeeperSettings)
    end_with_parent()
    stop = threading.Event()
    on_polite_kill(stop.set)
    try:
        stores = Stores.open(settings.stores, patient=True)
        require_blobs_at_start(stores)
    except ClipwardenError as error:
        announce_failure(error)
        return EXIT_FAILED
    announce_ready()
    keep(tasks_of(settings, stores), stop)
    stores.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
