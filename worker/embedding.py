"""The embedding jobs: a chunk's pixels, or a prompt set's texts, become vectors."""

from __future__ import annotations

import time

import numpy as np
import structlog

from ingest.arrays import pack_arrays, unpack_arrays
from ingest.blobs import BlobRef
from ingest.keys import embedding_key, text_vectors_key
from ingest.queue.attempts import reporting_errors
from ingest.queue.gate import Gate, chunk_member
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

    def handle_chunk(self, args: object) -> None:
        """Embed one chunk; the last chunk of a work queues the finish of all who wait for it."""
        job = EmbedJob.from_args(args)
        with reporting_errors(lambda error: self._fail(job, error)):
            gate = Gate(self._stores.redis, job.work)
            # Nobody waits for a cancelled video: its chunks are dropped, not embedded.
            if gate.waiting() and not self._is_stored(job):
                self._embed(job)
                gate.count(embedded=job.frames)
            self._stores.blobs.delete(job.blob_key)
            if gate.close([chunk_member(job.chunk)]):
                queue_finish(self._stores.redis, job.work, gate.waiting())

    def handle_texts(self, args: object) -> None:
        """Embed the texts of a prompt set, once per model and set."""
        job = TextJob.from_args(args)
        key = text_vectors_key(job.tenant, job.model_key, job.prompt_set_sha256)
        if self._stores.blobs.exists(key):
            return
        prompt_set = load_stored_prompt_set(self._stores, job.tenant, job.prompt_set_sha256)
        vectors = self._encoder.embed_texts(prompt_set.texts())
        self._stores.blobs.put(key, pack_arrays(vectors=vectors))

    def _is_stored(self, job: EmbedJob) -> bool:
        with self._stores.database.begin() as session:
            return session.get(Embedding, (*_work_key(job.work), job.chunk)) is not None

    def _embed(self, job: EmbedJob) -> None:
        content = self._stores.blobs.get(BlobRef(job.blob_key, job.blob_sha256))
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
                    batches=batches,
                    batch_size=self._batch_size,
                    embed_s=embed_s,
                    device=self._encoder.device,
                    embedded_by=process_name(),
                )
            )

    def _fail(self, job: EmbedJob, error: ClipwardenError) -> None:
        for submission_id in Gate(self._stores.redis, job.work).waiting():
            _log.warning("embedding failed", submission=submission_id, code=error.code)
            fail(self._stores.database, self._stores.redis, job.work, submission_id, error)
        # Whoever submits the video again has it sampled again.
        self._stores.blobs.delete(job.blob_key)


def _work_key(work: Work) -> tuple[str, str, str, str]:
    return work.tenant, work.media_sha256, work.sampling_key, work.model_key
