"""The embedding jobs: a chunk's pixels, or a prompt set's texts, become vectors."""

from __future__ import annotations

import time

import numpy as np
import structlog

from ingest.arrays import pack_arrays, unpack_arrays
from ingest.blobs import BlobRef
from ingest.keys import embedding_key, pixels_key, text_vectors_key
from ingest.queue.attempts import Handler
from ingest.queue.gate import Gate, chunk_member
from ingest.queue.jobs import EMBED, TEXT
from ingest.queue.payloads import EmbedJob, TextJob, Work
from ingest.queue.process import process_name
from ingest.stores import Stores
from ingest.submissions import fail, queue_finish
from prompts.errors import ClipwardenError
from worker.encoders.batching import embed_in_batches
from worker.encoders.protocol import Encoder
from worker.tables import Embedding
from worker.texts import load_stored_prompt_set

_log = structlog.get_logger("clipwarden.embedding")


class EmbeddingJobs:
    """Handles the jobs of one model's queues, with the model loaded once."""

    def __init__(self, stores: Stores, encoder: Encoder, batch_size: int) -> None:
        self._stores = stores
        self._encoder = encoder
        self._batch_size = batch_size

    @property
    def handlers(self) -> dict[str, Handler]:
        """What a worker does with chunks and with texts, by the jobs' names."""
        return {
            EMBED: Handler(self.embed_chunk, self.give_up_chunk),
            TEXT: Handler(self.embed_texts, self.give_up_texts),
        }

    def embed_chunk(self, args: object) -> None:
        """Embed one chunk; the last chunk of a work queues the finish of all who wait for it."""
        job = EmbedJob.from_args(args)
        gate = Gate(self._stores.redis, job.work)
        # Nobody waits for a cancelled video: its chunks are dropped, not embedded.
        if gate.waiting() and not self._is_stored(job):
            self._embed(job)
            gate.count(embedded=job.frames)
        self._stores.blobs.delete(_pixels_key(job))
        if gate.close([chunk_member(job.chunk)]):
            queue_finish(self._stores.redis, job.work, gate.waiting())

    def give_up_chunk(self, args: object, error: ClipwardenError) -> None:
        """End every submission that waits for the chunk's work with the error."""
        job = EmbedJob.from_args(args)
        for submission_id in Gate(self._stores.redis, job.work).waiting():
            _log.warning("embedding failed", submission=submission_id, code=error.code)
            fail(self._stores.database, self._stores.redis, job.work, submission_id, error)
        # Whoever submits the video again has it sampled again.
        self._stores.blobs.delete(_pixels_key(job))

    def embed_texts(self, args: object) -> None:
        """Embed the texts of a prompt set, once per model and set."""
        job = TextJob.from_args(args)
        key = text_vectors_key(job.tenant, job.model_key, job.prompt_set_sha256)
        if self._stores.blobs.exists(key):
            return
        prompt_set = load_stored_prompt_set(self._stores, job.tenant, job.prompt_set_sha256)
        vectors = self._encoder.embed_texts(prompt_set.texts())
        self._stores.blobs.put(key, pack_arrays(vectors=vectors))

    def give_up_texts(self, args: object, error: ClipwardenError) -> None:
        """Only note it: the finish job that waits for the texts sees that their job failed."""
        job = TextJob.from_args(args)
        _log.warning("texts failed", prompt_set=job.prompt_set_sha256, code=error.code)

    def _is_stored(self, job: EmbedJob) -> bool:
        """Whether exactly these pixels are embedded, by an earlier attempt or another video."""
        with self._stores.database.read() as session:
            stored = session.get(Embedding, (*_work_key(job.work), job.chunk))
            return stored is not None and stored.pixels_sha256 == job.pixels_sha256

    def _embed(self, job: EmbedJob) -> None:
        content = self._stores.blobs.get(BlobRef(_pixels_key(job), job.pixels_sha256))
        chunk = unpack_arrays(content)
        began = time.perf_counter()
        vectors, batches = embed_in_batches(self._encoder, chunk["pixels"], self._batch_size)
        embed_s = time.perf_counter() - began
        stored = self._stores.blobs.put(
            embedding_key(job.work, job.chunk),
            pack_arrays(pts_us=chunk["pts_us"].astype(np.int64), vectors=vectors),
        )
        with self._stores.database.begin() as session:
            session.merge(
                Embedding(
                    tenant=job.work.tenant,
                    media_sha256=job.work.media_sha256,
                    sampling_key=job.work.sampling_key,
                    model_key=job.work.model_key,
                    chunk=job.chunk,
                    frames=len(vectors),
                    blob_key=stored.key,
                    blob_sha256=stored.sha256,
                    pixels_sha256=job.pixels_sha256,
                    batches=batches,
                    batch_size=self._batch_size,
                    embed_s=embed_s,
                    device=self._encoder.device,
                    embedded_by=process_name(),
                )
            )


def _pixels_key(job: EmbedJob) -> str:
    return pixels_key(job.work, job.attempt, job.chunk)


def _work_key(work: Work) -> tuple[str, str, str, str]:
    return work.tenant, work.media_sha256, work.sampling_key, work.model_key
