"""`python -P -m worker.embedder`: a process that holds one model on one device.

The only module outside `worker.encoders` that imports it; nothing imports this one.
"""

from __future__ import annotations

import sys

from ingest.queue.identity import WorkerIdentity
from ingest.queue.names import embed_queues
from ingest.queue.presence import ModelOnCard
from ingest.queue.runner import run_process
from ingest.queue.worker import PinnedWorker, build_worker
from ingest.stores import Stores
from worker.embedding import EmbeddingJobs
from worker.encoders.device import memory_reader
from worker.encoders.load import load_encoder
from worker.models.card import ModelCard
from worker.settings import EmbedderSettings


def build_embedder(settings: EmbedderSettings, stores: Stores) -> PinnedWorker:
    """Load the model and return the worker of its queues; raises ModelError, DeviceUnavailable."""
    card = ModelCard.from_json(settings.model_card)
    encoder = load_encoder(card, settings.device)
    jobs = EmbeddingJobs(stores, encoder, settings.batch_size)
    memory_bytes = memory_reader(settings.device)

    def model() -> ModelOnCard:
        return ModelOnCard(
            key=card.key,
            id=card.id,
            card=settings.model_card,
            device=encoder.device,
            memory_bytes=memory_bytes(),
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
