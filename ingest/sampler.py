"""`python -P -m ingest.sampler`: a process that samples videos; it never imports torch."""

from __future__ import annotations

import sys

from ingest.queue.connection import SAMPLE_QUEUE
from ingest.queue.jobs import SAMPLE
from ingest.queue.runner import run_process
from ingest.queue.worker import PinnedWorker, build_worker
from ingest.sampling import SamplingJobs
from ingest.settings import ProcessSettings
from ingest.stores import Stores


def build_sampler(_settings: ProcessSettings, stores: Stores) -> PinnedWorker:
    """Return the worker of the sampling queue."""
    handlers = {SAMPLE: SamplingJobs(stores).handler}
    return build_worker("sample", [SAMPLE_QUEUE], handlers, stores.redis)


if __name__ == "__main__":
    sys.exit(run_process("sample", ProcessSettings, build_sampler))
