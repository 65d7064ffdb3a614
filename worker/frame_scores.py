"""Scores of frame classifiers: made of a chunk's pixels, stored beside its vectors, read back."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ingest.arrays import pack_arrays, unpack_arrays
from ingest.blobs import BlobRef
from ingest.claiming import require_blobs_for_missing
from ingest.database import upsert
from ingest.errors import BlobCorrupt, BlobMissing
from ingest.keys import frame_scores_key
from ingest.queue.claims import Claim
from ingest.queue.meters import Meter, add_to_meters
from ingest.queue.payloads import EmbedJob, Work
from ingest.queue.process import process_name
from ingest.stores import Stores
from worker.classifiers.load import classifier_key, load_classifier
from worker.classifiers.protocol import FrameClassifier, Scores
from worker.encoders.protocol import BeforeEach, Pixels
from worker.errors import EmbeddingsMissing
from worker.tables import Embedding, FrameScore

LoadClassifier = Callable[[str], FrameClassifier]

_log = structlog.get_logger("clipwarden.embedding")


class FrameScoring:
    """Scores chunks; each classifier is loaded when the first chunk wants it, and kept."""

    def __init__(self, stores: Stores, load: LoadClassifier = load_classifier) -> None:
        self._stores = stores
        self._load = load
        self._loaded: dict[str, FrameClassifier] = {}

    def missing(self, session: Session, job: EmbedJob) -> tuple[str, ...]:
        """The classifiers that a job wants and that have not scored exactly these pixels.

        Raises ClassifierUnavailable for a name that nobody knows.
        """
        return tuple(name for name in job.classifiers if not self._is_scored(session, job, name))

    def load(self, name: str) -> FrameClassifier:
        """Return a classifier; raises ClassifierUnavailable."""
        if name not in self._loaded:
            began = time.perf_counter()
            self._loaded[name] = self._load(name)
            load_s = round(time.perf_counter() - began, 3)
            _log.info("frame classifier loaded", classifier=name, load_s=load_s)
        return self._loaded[name]

    def score(
        self,
        job: EmbedJob,
        classifier: FrameClassifier,
        pixels: Pixels,
        before_each: BeforeEach,
        claim: Claim,
    ) -> None:
        """Score a chunk's pictures and store that; `before_each` comes before each batch."""
        began = time.perf_counter()
        scores = classifier.score(pixels, before_each)
        score_s = time.perf_counter() - began
        content = pack_arrays(scores=scores)
        digest = hashlib.sha256(content).hexdigest()
        claim.confirm()
        stored = self._stores.blobs.put(
            frame_scores_key(job.work, classifier.key, job.chunk, digest), content
        )
        row = FrameScore(
            tenant=job.work.tenant,
            media_sha256=job.work.media_sha256,
            sampling_key=job.work.sampling_key,
            classifier_key=classifier.key,
            chunk=job.chunk,
            classifier=classifier.name,
            frames=job.frames,
            blob_key=stored.key,
            blob_sha256=stored.sha256,
            pixels_sha256=job.pixels_sha256,
            score_s=score_s,
            scored_by=process_name(),
        )
        with self._stores.database.begin() as session:
            upsert(session, row)
        amounts = {(Meter.FRAMES, classifier.name): job.frames}
        add_to_meters(self._stores.redis, {**amounts, (Meter.SECONDS, classifier.name): score_s})

    def _is_scored(self, session: Session, job: EmbedJob, name: str) -> bool:
        work = job.work
        place = (work.tenant, work.media_sha256, work.sampling_key, classifier_key(name), job.chunk)
        stored = session.get(FrameScore, place)
        return stored is not None and stored.pixels_sha256 == job.pixels_sha256


def find_frame_scores(
    session: Session, work: Work, name: str, embeddings: Sequence[Embedding]
) -> list[FrameScore]:
    """A classifier's rows for these chunks, in their order.

    Raises EmbeddingsMissing where some were never made, or of other pixels than the vectors;
    ClassifierUnavailable for a name that nobody knows.
    """
    query = select(FrameScore).where(
        FrameScore.tenant == work.tenant,
        FrameScore.media_sha256 == work.media_sha256,
        FrameScore.sampling_key == work.sampling_key,
        FrameScore.classifier_key == classifier_key(name),
    )
    stored = {(row.chunk, row.pixels_sha256): row for row in session.scalars(query)}
    places = [(one.chunk, one.pixels_sha256) for one in embeddings]
    rows = [stored[place] for place in places if place in stored]
    if len(rows) < len(places):
        raise EmbeddingsMissing(
            f"{name} has scored {len(rows)} of {len(places)} chunks of {work.media_sha256[:12]}.",
            _how_to_make(name),
        )
    return rows


def read_frame_scores(
    stores: Stores, work: Work, rows: Sequence[FrameScore], pictures_of_chunk: Sequence[int]
) -> NDArray[np.float32]:
    """Read the scores of `find_frame_scores`, float32 `[pictures]`, one chunk after another.

    What is gone, damaged or of another length than the chunk's vectors is forgotten, so that it is
    made anew; then it raises EmbeddingsMissing.
    """
    chunks = [
        _scores(stores, work, row, pictures)
        for row, pictures in zip(rows, pictures_of_chunk, strict=True)
    ]
    return np.concatenate(chunks)


def _scores(stores: Stores, work: Work, row: FrameScore, pictures: int) -> Scores:
    ref = BlobRef(row.blob_key, row.blob_sha256)
    try:
        scores: Scores = unpack_arrays(stores.blobs.get(ref))["scores"]
        if len(scores) != pictures:
            raise BlobCorrupt(
                f"blob {ref.key!r} has {len(scores)} scores for {pictures} pictures.",
                _how_to_make(row.classifier),
            )
    except (BlobMissing, BlobCorrupt) as error:
        require_blobs_for_missing(ref.key, stores)
        with stores.database.begin() as session:
            session.execute(delete(FrameScore).where(FrameScore.blob_key == ref.key))
        raise EmbeddingsMissing(
            f"scores of {row.classifier} for {work.media_sha256[:12]} are missing or damaged: "
            f"{error.message}",
            _how_to_make(row.classifier),
        ) from error
    return scores


def _how_to_make(name: str) -> str:
    return (
        f"`clipwarden analyze`, or `clipwarden submit`, with a prompt set that needs {name} makes "
        "them: the video is sampled once more, what is stored already is kept."
    )
