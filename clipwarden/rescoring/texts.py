"""The text vectors of a new prompt set: as stored, made by the service, or made here."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from clipwarden.data_folder import DataFolder
from clipwarden.embedding.process import VectorProcess
from clipwarden.errors import ModelNotServed, ServiceNotRunning
from clipwarden.installation import served_queue
from clipwarden.rescoring.commands import model_name
from clipwarden.roles import default_batch_size, usable_cores
from ingest.arrays import pack_arrays
from ingest.errors import BlobCorrupt, BlobMissing
from ingest.keys import text_vectors_key
from ingest.queue.claims import Interrupted
from ingest.queue.presence import models_served, read_presences
from ingest.stores import Stores
from prompts.schema import PromptSet
from worker.errors import ModelError
from worker.models.card import ModelCard
from worker.models.precision import OPENVINO
from worker.models.resolve import resolve_model
from worker.texts import load_stored_prompt_set, require_text_vectors, store_prompt_set

Vectors = NDArray[np.float32]
Tell = Callable[[str], None]

_POLL_S = 0.2
# A process that makes way for a fresh one is away for as long as loading the model takes.
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class TextNeeds:
    """Whose texts are to be embedded, for which model, in which installation."""

    stores: Stores
    folder: DataFolder
    tenant: str
    card: ModelCard
    prompt_set: PromptSet

    @property
    def key(self) -> str:
        """Where their vectors are stored, or to be."""
        return text_vectors_key(self.tenant, self.card.key, self.prompt_set.sha256)

    @property
    def is_served(self) -> bool:
        """Whether an embedding process holds the model."""
        return self.card.key in models_served(read_presences(self.stores.redis))

    def stored(self) -> Vectors | None:
        """The vectors, if they are there; else an embedding process is asked for them.

        Raises TextVectorsUnavailable where it could not make them.
        """
        with suppress(Interrupted):
            stores, tenant, key = self.stores, self.tenant, self.card.key
            found = require_text_vectors(stores, tenant, key, self.prompt_set)
            return np.stack([found[text] for text in self.prompt_set.texts()])
        return None


def text_vectors(needs: TextNeeds, tell: Tell) -> Vectors:
    """Return the vectors of a set's texts under a model, float32 `[texts, d]`.

    Missing ones are those of another set with the same texts, asked of the running service, or,
    where nobody holds the model, made by a process of our own; only the service stores them. `tell`
    hears what is waited for. Raises TextVectorsUnavailable, ServiceNotRunning, ModelNotServed,
    WorkerRefused, WorkerFailed.
    """
    if not needs.prompt_set.texts():
        return np.empty((0, needs.card.dimension), np.float32)
    found = needs.stored() if needs.stores.blobs.exists(needs.key) else _of_another_set(needs)
    if found is None and needs.is_served:
        found = _await_service(needs, tell)
    return _embed_here(needs, tell) if found is None else found


def store_text_vectors(needs: TextNeeds, vectors: Vectors) -> None:
    """Keep what `text_vectors` gave, unless it is kept already; so others find it, too."""
    if len(vectors) and not needs.stores.blobs.exists(needs.key):
        needs.stores.blobs.put(needs.key, pack_arrays(vectors=vectors))


def _of_another_set(needs: TextNeeds) -> Vectors | None:
    """The vectors of a set that has the very same texts: often only a threshold is another."""
    folder = needs.key.rpartition("/")[0]
    for name in needs.stores.blobs.children(folder):
        with suppress(BlobMissing, BlobCorrupt):
            other = load_stored_prompt_set(needs.stores, needs.tenant, PurePath(name).stem)
            # In the same order: those of other batches may differ in their last bits.
            if other.texts() == needs.prompt_set.texts():
                return replace(needs, prompt_set=other).stored()
    return None


def _await_service(needs: TextNeeds, tell: Tell) -> Vectors | None:
    """Wait for the service's embedding process; returns None where that stays away."""
    store_prompt_set(needs.stores, needs.tenant, needs.prompt_set)
    was_serving = served_queue(needs.folder) is not None
    tell(f"{len(needs.prompt_set.texts())} texts wait for the service")
    last_seen_s = time.monotonic()
    while (found := needs.stored()) is None:
        if was_serving and served_queue(needs.folder) is None:
            raise ServiceNotRunning(
                f"the service on {needs.folder.root}, which was to embed the texts, has ended.",
                "Run the command again.",
            )
        if needs.is_served:
            last_seen_s = time.monotonic()
        elif time.monotonic() - last_seen_s > _PATIENCE_S:
            return None
        time.sleep(_POLL_S)
    return found


def _embed_here(needs: TextNeeds, tell: Tell) -> Vectors:
    """Embed the texts by a process of our own, as an embedding worker does."""
    card, texts = needs.card, needs.prompt_set.texts()
    device = OPENVINO if card.precision == "int8" else "cpu"
    batch_size = default_batch_size(device)
    with VectorProcess(_model_here(card), device, batch_size, threads=usable_cores()) as process:
        process.wait_until_ready(tell)
        tell(f"embedding {len(texts)} texts")
        # All at once: so the worker does it, and other batches may give other last bits.
        process.send(texts)
        return process.receive(len(texts))


def _model_here(card: ModelCard) -> ModelCard:
    """The model as this host has it; raises ModelNotServed where that is not the same."""
    name = model_name(card)
    try:
        here = resolve_model(name, card.precision)
    except ModelError as error:
        raise ModelNotServed(
            f"no process holds {name}, which the texts of the prompt set need, and this host does "
            f"not have it: {error.message}",
            f"Serve it: clipwarden serve --model {name}; then run this again.",
        ) from error
    if here.key != card.key:
        raise ModelNotServed(
            f"{name} on this host ({here.folder}) is another model than the one that embedded the "
            f"videos: its key is {here.key}, not {card.key}.",
            "Serve the very same model, or re-score on the host that has it.",
        )
    return here
