"""All frames of a work, read back for scoring: times, vectors, and where each picture lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ingest.arrays import unpack_arrays
from ingest.blobs import BlobRef
from ingest.claiming import require_blobs_for_missing
from ingest.errors import BlobCorrupt, BlobMissing
from ingest.evidence import evidence_reference
from ingest.queue.payloads import Work
from ingest.stores import Stores
from ingest.tables import Chunk, Sampling
from worker.errors import EmbeddingsMissing
from worker.frame_scores import find_frame_scores, read_frame_scores
from worker.tables import Embedding


@dataclass(frozen=True, eq=False)
class EmbeddedFrames:
    """All frames of a work in order of time.

    `vectors` is float32 `[pictures, d]`; frame i, shown at `shown_us[i]`, is judged by `count[i]`
    of them from `first[i]` on. `classifier_scores` has float32 `[pictures]` for each classifier
    that was asked for, in the order of the vectors. Both come from one blob for each chunk: the
    first `pictures_of_chunk[0]` rows from the first of `vector_blobs` and of `score_blobs`.

    `frames_embedded` counts those that came with pictures of their
    own; `cuts_us` is where shots begin.
    """

    shown_us: NDArray[np.int64]
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    vectors: NDArray[np.float32]
    evidence_keys: tuple[str, ...]
    cuts_us: tuple[int, ...]
    duration_us: int
    frames_embedded: int
    device: str
    embed_s: float
    classifier_scores: Mapping[str, NDArray[np.float32]]
    vector_blobs: tuple[BlobRef, ...]
    score_blobs: Mapping[str, tuple[BlobRef, ...]]
    pictures_of_chunk: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.shown_us)

    def evidence_of(self, index: int) -> str:
        """The text by which results point at a frame's picture."""
        return evidence_reference(self.evidence_keys[index], int(self.shown_us[index]))


def load_frames(stores: Stores, work: Work, classifiers: Sequence[str] = ()) -> EmbeddedFrames:
    """Read what sampling and embedding stored, with the scores of these frame classifiers.

    Raises EmbeddingsMissing where some of it was never made or is gone, ClassifierUnavailable for a
    name that this release does not know. Vectors and scores that are lost or damaged are forgotten,
    so that they are made anew.
    """
    with stores.database.read() as session:
        sampled = session.get(Sampling, (work.tenant, work.media_sha256, work.sampling_key))
        # Another sampling may once have made more chunks than this one.
        expected = 0 if sampled is None else sampled.chunks
        embeddings = [row for row in _embeddings(session, work) if row.chunk < expected]
        if sampled is None or len(embeddings) < sampled.chunks:
            raise EmbeddingsMissing(
                f"{len(embeddings)} chunks of {work.media_sha256[:12]} are embedded, "
                f"{'an unknown number' if sampled is None else sampled.chunks} was sampled.",
                "Analyse the video again.",
            )
        chunks = _chunks(session, work)[:expected]
        scored = {name: find_frame_scores(session, work, name, embeddings) for name in classifiers}
        session.expunge_all()
    refs = [BlobRef(row.blob_key, row.blob_sha256) for row in embeddings]
    arrays = [_vectors(stores, work, ref) for ref in refs]
    pictures = tuple(len(array["vectors"]) for array in arrays)
    return EmbeddedFrames(
        shown_us=np.concatenate([array["pts_us"] for array in arrays]),
        first=_first_of_all(arrays),
        count=np.concatenate([array["count"] for array in arrays]).astype(np.int64),
        vectors=np.concatenate([array["vectors"] for array in arrays]),
        evidence_keys=tuple(key for row in chunks for key in [row.evidence_key] * row.frames),
        cuts_us=tuple(sampled.cuts_us),
        duration_us=sampled.duration_us,
        frames_embedded=sampled.frames_pictured,
        device=",".join(sorted({row.device for row in embeddings})),
        embed_s=sum(row.embed_s for row in embeddings),
        classifier_scores={
            name: read_frame_scores(stores, work, rows, pictures) for name, rows in scored.items()
        },
        vector_blobs=tuple(refs),
        score_blobs={
            name: tuple(BlobRef(row.blob_key, row.blob_sha256) for row in rows)
            for name, rows in scored.items()
        },
        pictures_of_chunk=pictures,
    )


def _first_of_all(arrays: Sequence[Mapping[str, NDArray[Any]]]) -> NDArray[np.int64]:
    """Where each frame's vectors begin when those of all chunks lie one after another."""
    ends = np.cumsum([0, *(len(array["vectors"]) for array in arrays)], dtype=np.int64)
    return np.concatenate(
        [array["first"] + begin for array, begin in zip(arrays, ends[:-1], strict=True)]
    )


def _with_places(arrays: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """Add what chunks of the first release lack: there every frame has one picture."""
    if "first" in arrays:
        return arrays
    frames = len(arrays["pts_us"])
    places = {"first": np.arange(frames, dtype=np.int32), "count": np.ones(frames, np.int32)}
    return {**arrays, **places}


def _vectors(stores: Stores, work: Work, ref: BlobRef) -> Mapping[str, NDArray[Any]]:
    """Read one chunk's vectors; where they are gone, see that they are made anew."""
    try:
        return _with_places(unpack_arrays(stores.blobs.get(ref)))
    except (BlobMissing, BlobCorrupt) as error:
        require_blobs_for_missing(ref.key, stores)
        with stores.database.begin() as session:
            session.execute(delete(Embedding).where(Embedding.blob_key == ref.key))
        raise EmbeddingsMissing(
            f"vectors of {work.media_sha256[:12]} are missing or damaged: {error.message}",
            "Analyse the video again: what is missing will be embedded anew.",
        ) from error


def _chunks(session: Session, work: Work) -> list[Chunk]:
    query = select(Chunk).where(
        Chunk.tenant == work.tenant,
        Chunk.media_sha256 == work.media_sha256,
        Chunk.sampling_key == work.sampling_key,
    )
    return list(session.scalars(query.order_by(Chunk.number)))


def _embeddings(session: Session, work: Work) -> list[Embedding]:
    query = select(Embedding).where(
        Embedding.tenant == work.tenant,
        Embedding.media_sha256 == work.media_sha256,
        Embedding.sampling_key == work.sampling_key,
        Embedding.model_key == work.model_key,
    )
    return list(session.scalars(query.order_by(Embedding.chunk)))
