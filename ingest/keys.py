"""Where things lie in the blob store. Every key begins with the tenant.

What a repeated or a late job writes again carries its content's hash in its key: it never writes
over what somebody else wrote and others already refer to.
"""

from __future__ import annotations

from ingest.queue.payloads import Work

MEDIA_KINDS = ("media", "pixels", "evidence", "embeddings", "frame-scores", "scores")
"""What is kept per media file, each under a key of its own."""

_HASH_DIGITS = 16


def media_key(tenant: str, media_sha256: str) -> str:
    """The copy of a submitted file."""
    return f"{media_root(tenant, 'media', media_sha256)}/original"


def pixels_key(work: Work, attempt: str, chunk: int) -> str:
    """Sampled pixels of a chunk, there until they are embedded.

    They are kept per model and per sampling attempt, although they could be shared: so each is
    deleted by the one job that used it, without asking who else might.
    """
    return f"{work_pixels(work)}/{attempt}-{chunk:06d}.npz"


def work_pixels(work: Work) -> str:
    """Under which all pixels of a work lie."""
    return f"{_sampled(work, 'pixels')}/{work.model_key}"


def pixels_root(tenant: str) -> str:
    """Under which all pixels of a tenant lie: media, then sampling, then model."""
    return f"{tenant}/pixels"


def evidence_key(work: Work, chunk: int, sha256: str) -> str:
    """Small JPEGs of a chunk's frames."""
    return f"{_sampled(work, 'evidence')}/{chunk:06d}-{sha256[:_HASH_DIGITS]}.zip"


def embedding_key(work: Work, chunk: int, sha256: str) -> str:
    """A chunk's vectors under the work's model."""
    folder = f"{_sampled(work, 'embeddings')}/{work.model_key}"
    return f"{folder}/{chunk:06d}-{sha256[:_HASH_DIGITS]}.npz"


def frame_scores_key(work: Work, classifier_key: str, chunk: int, sha256: str) -> str:
    """A frame classifier's scores of a chunk's pictures, whatever model embeds them."""
    folder = f"{_sampled(work, 'frame-scores')}/{classifier_key}"
    return f"{folder}/{chunk:06d}-{sha256[:_HASH_DIGITS]}.npz"


def scores_key(work: Work, prompt_set_sha256: str, sha256: str) -> str:
    """Confidences of every frame for every label of a prompt set."""
    folder = f"{_sampled(work, 'scores')}/{work.model_key}"
    return f"{folder}/{prompt_set_sha256}-{sha256[:_HASH_DIGITS]}.npz"


def media_root(tenant: str, kind: str, media_sha256: str) -> str:
    """Under which everything of one of the MEDIA_KINDS lies for a media file."""
    return f"{tenant}/{kind}/{media_sha256}"


def prompt_set_key(tenant: str, prompt_set_sha256: str) -> str:
    """A prompt set as it was when it was submitted."""
    return f"{tenant}/prompt-sets/{prompt_set_sha256}.json"


def text_vectors_key(tenant: str, model_key: str, prompt_set_sha256: str) -> str:
    """A prompt set's text vectors under one model."""
    return f"{tenant}/text-vectors/{model_key}/{prompt_set_sha256}.npz"


def _sampled(work: Work, kind: str) -> str:
    return f"{media_root(work.tenant, kind, work.media_sha256)}/{work.sampling_key}"
