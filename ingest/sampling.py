"""The sampling job: decode a video, store its frames chunk by chunk, queue each for embedding."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import numpy as np
import structlog

from ingest.arrays import pack_arrays
from ingest.errors import MediaChanged, MediaUnreadable
from ingest.evidence import pack_pictures
from ingest.geometry import Geometry
from ingest.identity import FileIdentity, identify
from ingest.keys import evidence_key, pixels_key
from ingest.media.check import displayed_name
from ingest.media.decoder import decode
from ingest.media.facts import DecodeSummary, SampledFrame, VideoFacts
from ingest.media.spec import SamplingSpec
from ingest.queue.attempts import Handler
from ingest.queue.connection import (
    EMBED_TIMEOUT_S,
    embed_queue,
    enqueue_once,
    open_queue,
    queue_length,
)
from ingest.queue.gate import Gate, chunk_member
from ingest.queue.jobs import EMBED
from ingest.queue.payloads import EmbedJob, SampleJob, Work
from ingest.queue.process import process_name
from ingest.stores import Stores
from ingest.submissions import end_sampling, fail
from ingest.tables import Chunk, Sampling, Status, Submission
from prompts.errors import ClipwardenError

# About 10 MB of pixels at 224 px: seconds of work for an embedder, so that little is repeated
# when one dies. Part of what a chunk number means: a data folder written with another value
# can't be continued.
CHUNK_FRAMES = 64

# How far sampling may run ahead of embedding: 320 MB of pixels at 224 px.
MAX_QUEUED_CHUNKS = 32
_ROOM_POLL_S = 0.2

_log = structlog.get_logger("clipwarden.sampling")


def sampling_key(sampling: SamplingSpec, geometry: Geometry) -> str:
    """The name of a sampling in keys, such as `fps-2.centre-224-bicubic`."""
    return f"{sampling.name.replace(':', '-').replace('/', '_')}.{geometry.name}"


class SamplingJobs:
    """Handles the jobs of the sampling queue."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    @property
    def handler(self) -> Handler:
        """What a worker does with such a job."""
        return Handler(self.run, self.give_up)

    def run(self, args: object) -> None:
        """Sample the media of one submission."""
        job = SampleJob.from_args(args)
        with self._stores.database.read() as session:
            submission = session.get(Submission, (job.work.tenant, job.submission_id))
            if submission is None or Status(submission.status).is_final:
                return
            session.expunge(submission)
        path = _local_path(submission.media_url)
        identity = identify(path, submission.source)
        if identity.sha256 != job.work.media_sha256:
            raise _changed(submission.source)
        if self._sample(job, submission, path, identity):
            end_sampling(self._stores.redis, job.work, job.submission_id)

    def give_up(self, args: object, error: ClipwardenError) -> None:
        """End the submission with the error."""
        job = SampleJob.from_args(args)
        _log.warning("sampling failed", submission=job.submission_id, code=error.code)
        fail(self._stores.database, self._stores.redis, job.work, job.submission_id, error)

    def _sample(
        self, job: SampleJob, submission: Submission, path: Path, identity: FileIdentity
    ) -> bool:
        """Store and queue every chunk; says False where the submission was cancelled meanwhile."""
        sampling = SamplingSpec.parse(submission.sampling)
        geometry = Geometry.parse(submission.geometry)
        gate = Gate(self._stores.redis, job.work)
        attempt, chunks = uuid.uuid4().hex[:8], 0
        with decode(path, sampling, geometry, source=submission.source) as session:
            gate.start_progress(session.facts.estimated_frames)
            for frames in _in_chunks(iter(session)):
                if not self._await_room(gate, job):
                    return False
                self._store_chunk(job.work, attempt, chunks, frames)
                gate.count(sampled=len(frames))
                chunks += 1
        # Results are kept under the content's hash: a file that was replaced while it was being
        # decoded must not pass for what it was before.
        if not identity.still_holds(path):
            raise _changed(submission.source)
        if not chunks:
            raise MediaUnreadable(
                f"{displayed_name(submission.source)}: no picture of it could be decoded.",
                "Play it to see whether it is damaged, or convert it.",
            )
        self._record(job.work, session.facts, session.summary, chunks)
        return True

    def _await_room(self, gate: Gate, job: SampleJob) -> bool:
        """Wait until the embedder has caught up; says whether anybody still waits for the video.

        Decoding is faster than embedding, and pixels are a hundred times larger than vectors.
        """
        queue = open_queue(embed_queue(job.work.model_key), self._stores.redis)
        while job.submission_id in gate.waiting():
            if queue_length(queue) < MAX_QUEUED_CHUNKS:
                return True
            time.sleep(_ROOM_POLL_S)
        return False

    def _store_chunk(
        self, work: Work, attempt: str, number: int, frames: list[SampledFrame]
    ) -> None:
        """Store pixels and evidence, then the row, then the job: each names only what is there."""
        times_us = np.array([frame.pts_us for frame in frames], np.int64)
        pixels = np.stack([frame.pixels for frame in frames])
        stored = self._stores.blobs.put(
            pixels_key(work, attempt, number), pack_arrays(pts_us=times_us, pixels=pixels)
        )
        pictures = [(frame.pts_us, frame.thumbnail_jpeg) for frame in frames]
        evidence = self._stores.blobs.put(evidence_key(work, number), pack_pictures(pictures))
        with self._stores.database.begin() as session:
            session.merge(
                Chunk(
                    tenant=work.tenant,
                    media_sha256=work.media_sha256,
                    sampling_key=work.sampling_key,
                    number=number,
                    frames=len(frames),
                    first_us=frames[0].pts_us,
                    last_us=frames[-1].pts_us,
                    evidence_key=evidence.key,
                    evidence_sha256=evidence.sha256,
                )
            )
        Gate(self._stores.redis, work).open([chunk_member(number)])
        enqueue_once(
            open_queue(embed_queue(work.model_key), self._stores.redis),
            EMBED,
            EmbedJob(
                work=work,
                attempt=attempt,
                chunk=number,
                frames=len(frames),
                pixels_sha256=stored.sha256,
            ),
            # By attempt: a job of an earlier one may be about to end, and would not come again.
            job_id=f"embed-{attempt}-{work.id}-{number}",
            timeout_s=EMBED_TIMEOUT_S,
        )

    def _record(self, work: Work, facts: VideoFacts, summary: DecodeSummary, chunks: int) -> None:
        with self._stores.database.begin() as session:
            session.merge(
                Sampling(
                    tenant=work.tenant,
                    media_sha256=work.media_sha256,
                    sampling_key=work.sampling_key,
                    duration_us=summary.duration_us,
                    width=facts.width,
                    height=facts.height,
                    codec=facts.codec,
                    frames=summary.frames_sampled,
                    chunks=chunks,
                    warnings=list(summary.warnings),
                    partial=summary.partial,
                    decode_s=summary.decode_wall_s,
                    sampled_by=process_name(),
                    finished_at=datetime.now(UTC),
                )
            )


def _local_path(media_url: str) -> Path:
    """Turn a file URL back into a path, whatever bytes its name is made of."""
    return Path(os.fsdecode(unquote_to_bytes(urlsplit(media_url).path)))


def _changed(source: str) -> MediaChanged:
    return MediaChanged(
        f"{displayed_name(source)}: the file changed after it was submitted.",
        "Analyse it again once nothing writes to it any more.",
    )


def _in_chunks(frames: Iterator[SampledFrame]) -> Iterator[list[SampledFrame]]:
    while chunk := list(islice(frames, CHUNK_FRAMES)):
        yield chunk
