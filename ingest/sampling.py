"""The sampling job: decode a video, store its frames chunk by chunk, queue each for embedding."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import numpy as np
import structlog

from ingest.arrays import pack_arrays
from ingest.evidence import pack_pictures
from ingest.geometry import Geometry
from ingest.keys import evidence_key, pixels_key
from ingest.media.decoder import decode
from ingest.media.facts import DecodeSummary, SampledFrame, VideoFacts
from ingest.media.spec import SamplingSpec
from ingest.queue.attempts import reporting_errors
from ingest.queue.connection import EMBED_TIMEOUT_S, embed_queue, enqueue_once, open_queue
from ingest.queue.gate import Gate, chunk_member
from ingest.queue.jobs import EMBED
from ingest.queue.payloads import EmbedJob, SampleJob, Work
from ingest.queue.process import process_name
from ingest.stores import Stores
from ingest.submissions import end_sampling, fail
from ingest.tables import Chunk, Sampling
from prompts.errors import ClipwardenError

# A multiple of every batch size, and about 10 MB of pixels at 224 px: seconds of work for an
# embedder, so that little is repeated when one dies. Part of what a chunk number means: a data
# folder written with another value can't be continued.
CHUNK_FRAMES = 64

_log = structlog.get_logger("clipwarden.sampling")


def sampling_key(sampling: SamplingSpec, geometry: Geometry) -> str:
    """The name of a sampling in keys, such as `fps-2.centre-224-bicubic`."""
    return f"{sampling.name.replace(':', '-').replace('/', '_')}.{geometry.name}"


class SamplingJobs:
    """Handles the jobs of the sampling queue."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def handle(self, args: object) -> None:
        """Sample the media of one submission; a bad file fails its submission, not this job."""
        job = SampleJob.from_args(args)
        with reporting_errors(lambda error: self._fail(job, error)):
            self._sample(job)

    def _fail(self, job: SampleJob, error: ClipwardenError) -> None:
        _log.warning("sampling failed", submission=job.submission_id, code=error.code)
        fail(self._stores.database, self._stores.redis, job.work, job.submission_id, error)

    def _sample(self, job: SampleJob) -> None:
        gate = Gate(self._stores.redis, job.work)
        if job.submission_id not in gate.waiting():
            return
        sampling, geometry = SamplingSpec.parse(job.sampling), Geometry.parse(job.geometry)
        with decode(_local_path(job.media_url), sampling, geometry, source=job.source) as session:
            gate.start_progress(session.facts.estimated_frames)
            chunks = 0
            for frames in _in_chunks(iter(session)):
                self._store_chunk(job.work, chunks, frames)
                gate.count(sampled=len(frames))
                chunks += 1
            self._record(job.work, session.facts, session.summary, chunks)
        end_sampling(self._stores.redis, job.work, job.submission_id)

    def _store_chunk(self, work: Work, number: int, frames: list[SampledFrame]) -> None:
        """Store pixels and evidence, then the row, then the job: each names only what is there."""
        times_us = np.array([frame.pts_us for frame in frames], np.int64)
        pixels = np.stack([frame.pixels for frame in frames])
        stored = self._stores.blobs.put(
            pixels_key(work, number), pack_arrays(pts_us=times_us, pixels=pixels)
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
                chunk=number,
                frames=len(frames),
                blob_key=stored.key,
                blob_sha256=stored.sha256,
            ),
            job_id=f"embed-{work.id}-{number}",
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


def _in_chunks(frames: Iterator[SampledFrame]) -> Iterator[list[SampledFrame]]:
    while chunk := list(islice(frames, CHUNK_FRAMES)):
        yield chunk
