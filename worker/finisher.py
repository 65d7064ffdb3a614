"""`python -P -m worker.finisher`: a process that scores and finishes videos; without torch."""

from __future__ import annotations

import sys

from ingest.queue.identity import WorkerIdentity
from ingest.queue.jobs import FINISH
from ingest.queue.names import FINISH_QUEUE
from ingest.queue.runner import run_process
from ingest.queue.worker import PinnedWorker, build_worker
from ingest.settings import ProcessSettings
from ingest.stores import Stores
from worker.finishing import FinishingJobs


def build_finisher(settings: ProcessSettings, stores: Stores) -> PinnedWorker:
    """Return the worker of the finish queue."""
    return build_worker(
        WorkerIdentity("finish", settings.host),
        [FINISH_QUEUE],
        {FINISH: FinishingJobs(stores).handler},
        stores.redis,
        settings.limits,
    )


if __name__ == "__main__":
    sys.exit(run_process("finish", ProcessSettings, build_finisher))
