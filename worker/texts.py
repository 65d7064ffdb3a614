"""Text vectors of prompt sets: asked of an embedding process, cached in the blob store.

So scoring is plain numpy and runs where torch isn't installed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import ValidationError

from ingest.arrays import unpack_arrays
from ingest.errors import BlobCorrupt, BlobMissing
from ingest.keys import prompt_set_key, text_vectors_key
from ingest.queue.claims import Interrupted, Reason
from ingest.queue.enqueueing import EMBED_TIMEOUT_S, enqueue_once, job_has_failed
from ingest.queue.jobs import TEXT
from ingest.queue.names import text_queue
from ingest.queue.payloads import TextJob
from ingest.queue.presence import models_served, read_presences
from ingest.stores import Stores
from prompts.schema import PromptSet
from worker.errors import TextVectorsUnavailable

# When to look again: texts go before chunks, but a model that nobody serves may stay away.
_SOON_S = 1.0
_UNSERVED_S = 30.0

_log = structlog.get_logger("clipwarden.texts")


def store_prompt_set(stores: Stores, tenant: str, prompt_set: PromptSet) -> None:
    """Keep a prompt set as it is now: jobs and later readers see exactly this one."""
    key = prompt_set_key(tenant, prompt_set.sha256)
    if not stores.blobs.exists(key):
        stores.blobs.put(key, prompt_set.model_dump_json().encode())


def load_stored_prompt_set(stores: Stores, tenant: str, sha256: str) -> PromptSet:
    """Read what `store_prompt_set` kept; raises BlobMissing, or BlobCorrupt for anything else."""
    key = prompt_set_key(tenant, sha256)
    try:
        prompt_set = PromptSet.model_validate_json(stores.blobs.read(key))
    except ValidationError as error:
        raise _corrupt(key) from error
    if prompt_set.sha256 != sha256:
        raise _corrupt(key)
    return prompt_set


def request_text_vectors(stores: Stores, tenant: str, model_key: str, sha256: str) -> None:
    """Ask an embedding process for a stored prompt set's vectors, unless they are there.

    A set without texts, all of whose labels are scored otherwise, gets none.
    """
    if stores.blobs.exists(text_vectors_key(tenant, model_key, sha256)):
        return
    enqueue_once(
        stores.redis,
        text_queue(model_key),
        TEXT,
        TextJob(tenant=tenant, model_key=model_key, prompt_set_sha256=sha256),
        job_id=_job_id(tenant, model_key, sha256),
        timeout_s=EMBED_TIMEOUT_S,
    )


def require_text_vectors(
    stores: Stores, tenant: str, model_key: str, prompt_set: PromptSet
) -> Mapping[str, NDArray[np.float32]]:
    """Return the vector of each of the set's texts, asking for them where they are missing.

    The job that needs missing ones is postponed: others need not wait for an embedding process to
    come up. Raises TextVectorsUnavailable when the asking failed.
    """
    if not prompt_set.texts():
        return {}
    vectors = _stored_vectors(stores, tenant, model_key, prompt_set)
    if vectors is not None:
        return vectors
    # Before asking, which would make a new job of it, and so on for ever.
    if job_has_failed(stores.redis, _job_id(tenant, model_key, prompt_set.sha256)):
        raise TextVectorsUnavailable(
            f"the texts of prompt set {prompt_set.name} could not be embedded.",
            "The embedding process's log in the data folder says why; then try the video again.",
        )
    request_text_vectors(stores, tenant, model_key, prompt_set.sha256)
    is_served = model_key in models_served(read_presences(stores.redis))
    raise Interrupted(Reason.POSTPONED, _SOON_S if is_served else _UNSERVED_S)


def _stored_vectors(
    stores: Stores, tenant: str, model_key: str, prompt_set: PromptSet
) -> Mapping[str, NDArray[np.float32]] | None:
    key = text_vectors_key(tenant, model_key, prompt_set.sha256)
    if not stores.blobs.exists(key):
        return None
    try:
        vectors = unpack_arrays(stores.blobs.read(key))["vectors"]
        return dict(zip(prompt_set.texts(), vectors, strict=True))
    except (BlobCorrupt, BlobMissing, KeyError, ValueError) as error:
        _log.warning("text vectors are damaged and made anew", key=key, reason=str(error))
        stores.blobs.delete(key)
        return None


def _corrupt(key: str) -> BlobCorrupt:
    return BlobCorrupt(
        f"blob {key!r} is not the prompt set that was stored under this name.",
        "The store was damaged or changed by hand, or another release wrote it; delete the blob "
        "and analyse the video again.",
    )


def _job_id(tenant: str, model_key: str, sha256: str) -> str:
    return f"text-{tenant}-{model_key}-{sha256[:32]}"
