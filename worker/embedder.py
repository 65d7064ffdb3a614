"""`python -P -m worker.embedder`: a process that holds one model on one device.

The only module outside `worker.encoders` that imports it; nothing imports this one.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import structlog

from ingest.queue.identity import WorkerIdentity
from ingest.queue.names import embed_queues
from ingest.queue.presence import ModelOnCard
from ingest.queue.runner import run_process
from ingest.queue.worker import PinnedWorker, build_worker
from ingest.stores import Stores
from worker.classifiers.load import CLASSIFIERS, missing_classifiers
from worker.embedding import EmbeddingJobs
from worker.encoders.device import describe_device
from worker.encoders.load import start_encoder
from worker.models.card import ModelCard
from worker.settings import EmbedderSettings

_log = structlog.get_logger("clipwarden.embedding")


def build_embedder(settings: EmbedderSettings, stores: Stores) -> PinnedWorker:
    """Load the model, warm it up and check it; return the worker of its queues.

    Raises ModelError, DeviceUnavailable, DeviceFailed, DeviceWrong.
    """
    if settings.cpus:
        # A container may have taken some away since they were chosen.
        with suppress(OSError):
            os.sched_setaffinity(0, settings.cpus)
    card = ModelCard.from_json(settings.model_card)
    encoder, parity = start_encoder(
        card, settings.device, settings.batch_size, lambda words: _log.info("starting", step=words)
    )
    if parity is not None:
        _log.info("vectors are right", **vars(parity))
    described = describe_device(encoder.device)
    missing = missing_classifiers()
    for error in missing.values():
        _log.warning("no frame classifier", reason=error.message, cure=error.cure)
    jobs = EmbeddingJobs(stores, encoder)

    def model() -> ModelOnCard:
        return ModelOnCard(
            key=card.key,
            id=card.id,
            card=settings.model_card,
            device=encoder.device,
            memory_bytes=jobs.counts.memory_bytes,
            device_name=described.name,
            software=described.software,
            precision=card.precision,
            centred_cosine=None if parity is None else parity.centred_worst,
            classifiers=tuple(name for name in CLASSIFIERS if name not in missing),
        )

    return build_worker(
        WorkerIdentity("embed", settings.host, model),
        embed_queues(card.key),
        jobs.handlers,
        stores.redis,
        settings.limits,
    )


if __name__ == "__main__":
    sys.exit(run_process("embed", EmbedderSettings, build_embedder))
