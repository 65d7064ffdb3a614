"""`python -P -m worker.embedder`: a process that holds one model on one device.

The only module outside `worker.encoders` that imports it; nothing imports this one.
"""

from __future__ import annotations

import sys

from ingest.queue.connection import embed_queue, text_queue
from ingest.queue.runner import run_process
from ingest.queue.worker import PinnedWorker, build_worker
from ingest.stores import Stores
from worker.embedding import EmbeddingJobs
from worker.encoders.load import load_encoder
from worker.models.card import ModelCard
from worker.settings import EmbedderSettings


def build_embedder(settings: EmbedderSettings, stores: Stores) -> PinnedWorker:
    """Load the model and return the worker of its queues; raises ModelError, DeviceUnavailable."""
    card = ModelCard.from_json(settings.model_card)
    encoder = load_encoder(card, settings.device)
    jobs = EmbeddingJobs(stores, encoder, settings.batch_size)
    # Texts first: they are few, and finishing waits for them.
    queues = [text_queue(card.key), embed_queue(card.key)]
    return build_worker("embed", queues, jobs.handlers, stores.redis)


if __name__ == "__main__":
    sys.exit(run_process("embed", EmbedderSettings, build_embedder))
