"""`python -P -m worker.finisher`: a process that scores and finishes videos; without torch."""

from __future__ import annotations

import sys

from ingest.queue.connection import FINISH_QUEUE
from ingest.queue.jobs import FINISH
from ingest.queue.process import (
    EXIT_FAILED,
    announce_failure,
    announce_ready,
    end_with_parent,
    log_to_stderr,
    read_settings,
)
from ingest.queue.worker import build_worker
from ingest.stores import Stores
from prompts.errors import ClipwardenError
from worker.finishing import FinishingJobs
from worker.settings import FinisherSettings


def main() -> int:
    """Work until told to stop; returns the exit status."""
    log_to_stderr("finish")
    settings = read_settings(FinisherSettings)
    end_with_parent()
    try:
        stores = Stores.open(settings.stores)
    except ClipwardenError as error:
        announce_failure(error)
        return EXIT_FAILED
    handlers = {FINISH: FinishingJobs(stores).handle}
    worker = build_worker("finish", [FINISH_QUEUE], handlers, stores.redis)
    announce_ready()
    worker.work(logging_level="WARNING")
    stores.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
