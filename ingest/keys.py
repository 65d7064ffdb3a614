"""Where things lie in the blob store. Every key begins with the tenant."""

from __future__ import annotations

from ingest.queue.payloads import Work


def pixels_key(work: Work, attempt: str, chunk: int) -> str:
    """Sampled pixels of a chunk, there until they are embedded.

    They are kept per model and per sampling attempt, although they could be shared: so each is
    deleted by the one job that used it, without asking who else might.
    """
    return f"{_media(work, 'pixels')}/{work.model_key}/{attempt}-{chunk:06d}.npz"


def pixels_root(tenant: str) -> str:
    """Under which all pixels of a tenant lie."""
    return f"{tenant}/pixels"


def evidence_key(work: Work, chunk: int) -> str:
    """Small JPEGs of a chunk's frames."""
    return f"{_media(work, 'evidence')}/{chunk:06d}.zip"


def embedding_key(work: Work, chunk: int) -> str:
    """A chunk's vectors under the work's model."""
    return f"{_media(work, 'embeddings')}/{work.model_key}/{chunk:06d}.npz"


def scores_key(work: Work, prompt_set_sha256: str) -> str:
    """Confidences of every frame for every label of a prompt set."""
    return f"{_media(work, 'scores')}/{work.model_key}/{prompt_set_sha256}.npz"


def prompt_set_key(tenant: str, prompt_set_sha256: str) -> str:
    """A prompt set as it was when it was submitted."""
    return f"{tenant}/prompt-sets/{prompt_set_sha256}.json"


def text_vectors_key(tenant: str, model_key: str, prompt_set_sha256: str) -> str:
    """A prompt set's text vectors under one model."""
    return f"{tenant}/text-vectors/{model_key}/{prompt_set_sha256}.npz"


def _media(work: Work, kind: str) -> str:
    return f"{work.tenant}/{kind}/{work.media_sha256}/{work.sampling_key}"
