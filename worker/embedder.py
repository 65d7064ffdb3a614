"""`python -P -m worker.embedder`: a process that holds one model on one device.

The only module outside `worker.encoders` that imports it; nothing imports this one.
"""

from __future__ import annotations

import sys

from ingest.queue.connection import embed_queue, text_queue
from ingest.queue.jobs import EMBED, TEXT
from ingest.queue.process import (
    EXIT_FAILED,
    announce_failure,
    announce_ready,
    end_with_parent,
    log_to_stderr,
    read_settings,
)
from ingest.queue.worker import PinnedWorker, build_worker
from ingest.stores import Stores
from prompts.errors import ClipwardenError
from worker.embedding import EmbeddingJobs
from worker.encoders.load import load_encoder
from worker.models.card import ModelCard
from worker.settings import EmbedderSettings


def main() -> int:
    """Load the model, then work until told to stop; returns the exit status."""
    log_to_stderr("embed")
    settings = read_settings(EmbedderSettings)
    end_with_parent()
    try:
        stores = Stores.open(settings.stores)
        worker = _build(settings, stores)
    except ClipwardenError as error:
        announce_failure(error)
        return EXIT_FAILED
    announce_ready()
    worker.work(logging_level="WARNING")
    stores.close()
    return 0


def _build(settings: EmbedderSettings, stores: Stores) -> PinnedWorker:
    card = ModelCard.from_json(settings.model_card)
    encoder = load_encoder(card, settings.device)
    jobs = EmbeddingJobs(stores, encoder, settings.batch_size)
    # Texts first: they are few, and finishing waits for them.
    queues = [text_queue(card.key), embed_queue(card.key)]
    handlers = {TEXT: jobs.handle_texts, EMBED: jobs.handle_chunk}
    return build_worker("embed", queues, handlers, stores.redis)


if __name__ == "__main__":
    sys.exit(main())
