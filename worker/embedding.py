"""The embedding jobs: a chunk's pixels, or a prompt set's texts, become vectors."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from numpy.typing import NDArray

from ingest.arrays import pack_arrays, unpack_arrays
from ingest.blobs import BlobRef
from ingest.claiming import require_blobs_for_missing
from ingest.database import upsert
from ingest.endings import fail, fail_all
from ingest.errors import BlobCorrupt, BlobMissing
from ingest.keys import embedding_key, pixels_key, text_vectors_key
from ingest.queue.attempts import Handler
from ingest.queue.backlog import Backlog
from ingest.queue.claims import Claim
from ingest.queue.gate import Gate
from ingest.queue.jobs import EMBED, TEXT
from ingest.queue.logs import job_context
from ingest.queue.meters import Meter, add_to_meters
from ingest.queue.payloads import EmbedJob, TextJob, Work
from ingest.queue.process import process_name
from ingest.stores import Stores
from ingest.submissions import unfinished_of
from ingest.works import embed_job_id, end_job
from prompts.errors import ClipwardenError
from worker.classifiers.load import load_classifier
from worker.classifiers.protocol import FrameClassifier
from worker.encoders.buckets import plan
from worker.encoders.protocol import Counts, Encoder
from worker.errors import ClassifierUnavailable
from worker.frame_scores import FrameScoring, LoadClassifier
from worker.tables import Embedding
from worker.texts import load_stored_prompt_set

Chunk = Mapping[str, NDArray[Any]]

_log = structlog.get_logger("clipwarden.embedding")


class _Unwanted(Exception):
    """Nobody waits for the work any more."""


@dataclass(frozen=True)
class _Missing:
    """What is not stored yet of exactly a job's pixels."""

    vectors: bool
    classifiers: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.vectors or bool(self.classifiers)


class EmbeddingFailures:
    """What is said where a chunk or a prompt set can't be embedded; needs no model."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def give_up_chunk(self, args: object, error: ClipwardenError) -> None:
        """End every submission that wants the chunk's work with the error."""
        job = EmbedJob.from_args(args)
        ids = fail_all(self._stores, job.work, error)
        _log.warning("embedding failed", work=job.work.id, submissions=ids, code=error.code)
        # Whoever submits the video again has it sampled again.
        self._stores.blobs.delete(_pixels_key(job))
        Backlog(self._stores.redis).remove(_job_id(job))
        end_job(self._stores.redis, job.work, _job_id(job))

    def give_up_texts(self, args: object, error: ClipwardenError) -> None:
        """Only note it: the finish job that waits for the texts sees that their job failed."""
        job = TextJob.from_args(args)
        _log.warning("texts failed", prompt_set=job.prompt_set_sha256, code=error.code)


class EmbeddingJobs:
    """Handles the jobs of one model's queues, with the model loaded and warmed up once.

    Frame classifiers are loaded when the first chunk wants them: it takes a fraction of a second.
    """

    def __init__(
        self, stores: Stores, encoder: Encoder, load: LoadClassifier = load_classifier
    ) -> None:
        self._stores = stores
        self._encoder = encoder
        self._scoring = FrameScoring(stores, load)
        self._counted = encoder.counts()

    @property
    def counts(self) -> Counts:
        """What the encoder could say of its device after the last chunk.

        Other threads read this: the card is left to the one that works on it, for asking one that
        hangs would hang the heartbeat, too.
        """
        return self._counted

    @property
    def handlers(self) -> dict[str, Handler]:
        """What a worker does with chunks and with texts, by the jobs' names."""
        failures = EmbeddingFailures(self._stores)
        return {
            EMBED: Handler(self.embed_chunk, failures.give_up_chunk, self.load_chunk),
            TEXT: Handler(self.embed_texts, failures.give_up_texts),
        }

    def load_chunk(self, args: object) -> Chunk | None:
        """Read a chunk's pixels and times; None where they are not needed, or lost."""
        job = EmbedJob.from_args(args)
        if not Gate(self._stores.redis, job.work).is_awaited() or not self._missing(job):
            return None
        return self._read_pixels(job)

    def embed_chunk(self, args: object, claim: Claim) -> None:
        """Embed one chunk, and have its pictures scored by the classifiers that are wanted.

        Only what is missing is made; the last chunk of a work queues the finish of all who wait.
        """
        job = EmbedJob.from_args(args)
        gate = Gate(self._stores.redis, job.work)
        # Nobody waits for a cancelled video: its chunks are dropped, not embedded.
        with (
            job_context(media=job.work.media_sha256[:12], work=job.work.id, chunk=job.chunk),
            suppress(_Unwanted),
        ):
            _require_awaited(gate)
            if missing := self._missing(job):
                self._make(job, missing, gate, claim)
            gate.note_embedded(job.chunk, job.frames)
        claim.confirm()
        self._stores.blobs.delete(_pixels_key(job))
        Backlog(self._stores.redis).remove(_job_id(job))
        end_job(self._stores.redis, job.work, _job_id(job))

    def embed_texts(self, args: object, claim: Claim) -> None:
        """Embed the texts of a prompt set, once per model and set."""
        job = TextJob.from_args(args)
        key = text_vectors_key(job.tenant, job.model_key, job.prompt_set_sha256)
        if self._stores.blobs.exists(key):
            return
        prompt_set = load_stored_prompt_set(self._stores, job.tenant, job.prompt_set_sha256)
        texts = prompt_set.texts()
        # A set whose labels are all scored otherwise has none.
        if not texts:
            return
        vectors = self._encoder.embed_texts(texts)
        claim.confirm()
        self._stores.blobs.put(key, pack_arrays(vectors=vectors))

    def _missing(self, job: EmbedJob) -> _Missing:
        """What an earlier attempt, or another submission, has not made of exactly these pixels."""
        with self._stores.database.read() as session:
            stored = session.get(Embedding, (*_work_key(job.work), job.chunk))
            is_embedded = stored is not None and stored.pixels_sha256 == job.pixels_sha256
            return _Missing(not is_embedded, self._scoring.missing(session, job))

    def _read_pixels(self, job: EmbedJob) -> Chunk | None:
        try:
            content = self._stores.blobs.get(BlobRef(_pixels_key(job), job.pixels_sha256))
        except (BlobMissing, BlobCorrupt) as error:
            require_blobs_for_missing(_pixels_key(job), self._stores)
            # No fault of the video: finishing sees that the chunk is missing and has it made anew.
            _log.warning("pixels are lost", code=error.code, reason=error.message)
            return None
        arrays = unpack_arrays(content)
        if "first" not in arrays:
            # Of an earlier release; whoever waited for them has the video sampled again.
            _log.warning("pixels are outdated", work=job.work.id, chunk=job.chunk)
            return None
        return arrays

    def _make(self, job: EmbedJob, missing: _Missing, gate: Gate, claim: Claim) -> None:
        # First: where one of them is missing and nobody else waits, vectors would be made in vain.
        classifiers = self._load_classifiers(job, missing.classifiers, claim)
        _require_awaited(gate)
        loaded = claim.loaded
        chunk = loaded if isinstance(loaded, Mapping) else self._read_pixels(job)
        if chunk is None:
            return
        gate.note_begun()
        if missing.vectors:
            self._embed(job, chunk, gate, claim)

        def before_each() -> None:
            _require_awaited(gate)
            claim.confirm()

        for classifier in classifiers:
            self._scoring.score(job, classifier, chunk["pixels"], before_each, claim)

    def _load_classifiers(
        self, job: EmbedJob, names: tuple[str, ...], claim: Claim
    ) -> list[FrameClassifier]:
        """Load what is installed here; who needs another one fails, the others go on without it."""
        loaded = []
        for name in names:
            try:
                loaded.append(self._scoring.load(name))
            except ClassifierUnavailable as error:
                claim.confirm()
                wanting = unfinished_of(self._stores.database, job.work)
                ids = [row.id for row in wanting if name in row.classifiers]
                for submission_id in ids:
                    fail(self._stores, job.work, submission_id, error)
                _log.warning("not scored", submissions=ids, code=error.code, reason=error.message)
        return loaded

    def _embed(self, job: EmbedJob, chunk: Chunk, gate: Gate, claim: Claim) -> None:
        began = time.perf_counter()
        vectors = self._encoder.embed_images(
            chunk["pixels"], before_each=lambda: _require_awaited(gate)
        )
        embed_s = time.perf_counter() - began
        batches = plan(len(vectors), self._encoder.batch_sizes)
        content = pack_arrays(
            pts_us=chunk["pts_us"], first=chunk["first"], count=chunk["count"], vectors=vectors
        )
        key = embedding_key(job.work, job.chunk, hashlib.sha256(content).hexdigest())
        claim.confirm()
        stored = self._stores.blobs.put(key, content)
        row = Embedding(
            tenant=job.work.tenant,
            media_sha256=job.work.media_sha256,
            sampling_key=job.work.sampling_key,
            model_key=job.work.model_key,
            chunk=job.chunk,
            frames=len(chunk["pts_us"]),
            blob_key=stored.key,
            blob_sha256=stored.sha256,
            pixels_sha256=job.pixels_sha256,
            batches=len(batches),
            batch_size=self._encoder.batch_sizes[-1],
            embed_s=embed_s,
            device=self._encoder.device,
            embedded_by=process_name(),
        )
        with self._stores.database.begin() as session:
            upsert(session, row)
        self._count(job, len(vectors), batches, embed_s)

    def _count(self, job: EmbedJob, pictures: int, batches: list[int], embed_s: float) -> None:
        model, counts = job.work.model_key, self._encoder.counts()
        recompiled = counts.compilations - self._counted.compilations
        fallen_back = counts.fallbacks - self._counted.fallbacks
        self._counted = counts
        if recompiled or fallen_back:
            # Both cost far more than a batch does, and should have shown at the start if at all.
            _log.error("the device is slowed down", recompiled=recompiled, fallbacks=fallen_back)
        amounts = {
            (Meter.FRAMES, "embed"): job.frames,
            (Meter.SECONDS, "embed"): embed_s,
            (Meter.BATCHES, model): len(batches),
            (Meter.BATCH_PICTURES, model): pictures,
            (Meter.BATCH_SLOTS, model): sum(batches),
            (Meter.RECOMPILATIONS, model): recompiled,
            (Meter.CPU_FALLBACKS, model): fallen_back,
        }
        add_to_meters(self._stores.redis, amounts)


def _require_awaited(gate: Gate) -> None:
    if not gate.is_awaited():
        raise _Unwanted


def _pixels_key(job: EmbedJob) -> str:
    return pixels_key(job.work, job.attempt, job.chunk)


def _job_id(job: EmbedJob) -> str:
    return embed_job_id(job.work, job.attempt, job.chunk)


def _work_key(work: Work) -> tuple[str, str, str, str]:
    return work.tenant, work.media_sha256, work.sampling_key, work.model_key
