"""`python -P -m ingest.sampler`: a process that samples videos; it never imports torch."""

from __future__ import annotations

import sys

from ingest.queue.connection import SAMPLE_QUEUE
from ingest.queue.jobs import SAMPLE
from ingest.queue.process import (
    EXIT_FAILED,
    announce_failure,
    announce_ready,
    end_with_parent,
    log_to_stderr,
    read_settings,
)
from ingest.queue.worker import build_worker
from ingest.sampling import SamplingJobs
from ingest.settings import SamplerSettings
from ingest.stores import Stores
from prompts.errors import ClipwardenError


def main() -> int:
    """Work until told to stop; returns the exit status."""
    log_to_stderr("sample")
    settings = read_settings(SamplerSettings)
    end_with_parent()
    try:
        stores = Stores.open(settings.stores)
    except ClipwardenError as error:
        announce_failure(error)
        return EXIT_FAILED
    worker = build_worker(
        "sample", [SAMPLE_QUEUE], {SAMPLE: SamplingJobs(stores).handle}, stores.redis
    )
    announce_ready()
    worker.work(logging_level="WARNING")
    stores.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
