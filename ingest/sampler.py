"""`python -P -m ingest.sampler`: a process that samples videos; it never imports torch."""

from __future__ import annotations

import sys

import structlog

from ingest.media.walls import standing_walls
from ingest.originals import remove_leftovers
from ingest.queue.identity import WorkerIdentity
from ingest.queue.jobs import SAMPLE
from ingest.queue.names import sample_queues
from ingest.queue.runner import run_process
from ingest.queue.worker import PinnedWorker, build_worker
from ingest.sampling import SamplingJobs
from ingest.settings import SamplerSettings
from ingest.stores import Stores

_log = structlog.get_logger("clipwarden.sampler")


def build_sampler(settings: SamplerSettings, stores: Stores) -> PinnedWorker:
    """Return the worker of the sampling queues, after making room where it fetches videos to."""
    remove_leftovers()
    _warn_of_missing_walls()
    jobs = SamplingJobs(
        stores,
        host=settings.host,
        max_queued_bytes=settings.max_queued_bytes,
        limits=settings.decoding,
    )
    return build_worker(
        WorkerIdentity("sample", settings.host),
        sample_queues(settings.host),
        {SAMPLE: jobs.handler},
        stores.redis,
        settings.limits,
    )


def _warn_of_missing_walls() -> None:
    """Say in the log what a hostile video could reach that takes over the decoder."""
    walls = standing_walls()
    if walls is None or not (walls.closes_files and walls.closes_network):
        _log.warning("the decoder is not walled in: see clipwarden doctor", walls=str(walls))


if __name__ == "__main__":
    sys.exit(run_process("sample", SamplerSettings, build_sampler))
