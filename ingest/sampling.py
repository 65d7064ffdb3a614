"""The sampling job: decode a video, store its frames chunk by chunk, queue each for embedding."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from ingest.chunks import FrameChunk, in_chunks
from ingest.database import upsert
from ingest.endings import fail, fail_all
from ingest.errors import MediaChanged, MediaError, MediaNotFound, MediaUnreadable
from ingest.evidence import pack_pictures
from ingest.geometry import Geometry
from ingest.keys import evidence_key, pixels_key
from ingest.media.check import displayed_name
from ingest.media.decoder import decode
from ingest.media.facts import DecodeSummary, VideoFacts
from ingest.media.limits import DecodeLimits
from ingest.media.spec import SamplingSpec
from ingest.originals import Original, open_original
from ingest.queue.attempts import Handler
from ingest.queue.backlog import Backlog
from ingest.queue.claims import Claim
from ingest.queue.enqueueing import EMBED_TIMEOUT_S, enqueue_once
from ingest.queue.gate import Gate
from ingest.queue.jobs import EMBED
from ingest.queue.logs import job_context
from ingest.queue.meters import Meter, add_to_meters
from ingest.queue.names import embed_queue
from ingest.queue.payloads import EmbedJob, SampleJob, Work
from ingest.queue.process import process_name
from ingest.room import Room
from ingest.stores import Stores
from ingest.submissions import unfinished_of
from ingest.tables import Chunk, Sampling, Submission
from ingest.works import close_lost, embed_job_id, end_job, sample_job_id
from prompts.errors import ClipwardenError

FRAMES_VERSION = 2
"""How frames are made: raise it whenever the same spec and geometry would give other frames, other
pictures or other chunks than before, so that nothing stored of the old kind is taken for the new.
"""

_FIT_FOR_KEYS = str.maketrans(":,/", "--_")

_log = structlog.get_logger("clipwarden.sampling")


def sampling_key(sampling: SamplingSpec, geometry: Geometry) -> str:
    """The name of a sampling in keys, such as `fps-2.centre-224-bicubic.v2`."""
    return f"{sampling.name.translate(_FIT_FOR_KEYS)}.{geometry.name}.v{FRAMES_VERSION}"


def frames_version(key: str) -> int:
    """The FRAMES_VERSION with which a sampling key was made."""
    version = key.rpartition(".")[2]
    # The first release's keys name none.
    return int(version.removeprefix("v")) if version.startswith("v") else 1


class SamplingFailures:
    """What is said where a video can't be sampled."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def give_up(self, args: object, error: ClipwardenError) -> None:
        """End every submission that wants the work with the error."""
        job = SampleJob.from_args(args)
        ids = fail_all(self._stores, job.work, error)
        _log.warning("sampling failed", work=job.work.id, submissions=ids, code=error.code)


class SamplingJobs:
    """Handles the jobs of the sampling queues.

    `max_queued_bytes` bounds how far sampling may run ahead of embedding; `host` is where this
    process can read files that stayed in place; `limits` bound the decoding of each.
    """

    def __init__(
        self,
        stores: Stores,
        *,
        host: str,
        max_queued_bytes: int,
        limits: DecodeLimits | None = None,
    ) -> None:
        self._stores = stores
        self._host = host
        self._limits = limits or DecodeLimits()
        self._backlog = Backlog(stores.redis)
        self._room = Room(stores.redis, host, max_queued_bytes)

    @property
    def handler(self) -> Handler:
        """What a worker does with such a job."""
        return Handler(self.run, SamplingFailures(self._stores).give_up)

    def run(self, args: object, claim: Claim) -> None:
        """Sample the media of one work, for everybody who wants it."""
        job = SampleJob.from_args(args)
        wanting = unfinished_of(self._stores.database, job.work)
        if not wanting:
            end_job(self._stores.redis, job.work, sample_job_id(job.work))
            return
        self._room.require_hope(job)
        with job_context(
            submission=wanting[0].id, media=job.work.media_sha256[:12], work=job.work.id
        ):
            try:
                with open_original(self._stores, job.work, wanting, self._host) as original:
                    is_done = self._sample(job, wanting, original, claim)
            except (MediaNotFound, MediaChanged) as error:
                is_done = self._leave_to_other_hosts(job.work, wanting, error)
            if is_done:
                claim.patiently(
                    lambda: end_job(self._stores.redis, job.work, sample_job_id(job.work))
                )

    def _leave_to_other_hosts(
        self, work: Work, wanting: Sequence[Submission], error: MediaError
    ) -> bool:
        """Fail those whose file was to be found here; raises the error where that is everybody.

        The finish of the others finds nothing sampled, and has that done where their file is.
        """
        here = [row for row in wanting if row.host in (None, self._host)]
        if len(here) == len(wanting):
            raise error
        for row in here:
            fail(self._stores, work, row.id, error)
        return True

    def _sample(
        self, job: SampleJob, wanting: Sequence[Submission], original: Original, claim: Claim
    ) -> bool:
        """Store and queue every chunk; says False where nobody wants them any more."""
        sampling = SamplingSpec.parse(wanting[0].sampling)
        geometry = Geometry.parse(wanting[0].geometry)
        # Who joins later and wants another one has the video sampled again.
        classifiers = tuple(sorted({name for row in wanting for name in row.classifiers}))
        gate = Gate(self._stores.redis, job.work)
        attempt, chunks, pictured = uuid.uuid4().hex[:8], 0, 0
        # A sampler that was killed may have opened a chunk that it never queued.
        close_lost(self._stores.redis, job.work)
        with decode(
            original.path, sampling, geometry, source=original.source, limits=self._limits
        ) as session:
            gate.expect(session.facts.estimated_frames)
            for chunk in in_chunks(session):
                if not claim.patiently(lambda: self._room.wait(gate, job, claim)):
                    return False
                # A full disk in the middle of a film is waited out here: its beginning would
                # else be decoded again and again.
                claim.patiently(
                    lambda: self._store_chunk(job, attempt, chunks, chunk, classifiers, claim)  # noqa: B023 - called at once
                )
                chunks += 1
                pictured += chunk.pictured
        original.check_unchanged()
        if not chunks:
            raise MediaUnreadable(
                f"{displayed_name(original.source)}: no picture of it could be decoded.",
                "Play it to see whether it is damaged, or convert it.",
            )
        row = _sampling_row(job.work, session.facts, session.summary, chunks, pictured)
        claim.patiently(lambda: self._record(row, claim))
        claim.patiently(lambda: gate.expect(session.summary.frames_sampled))
        return True

    def _store_chunk(
        self,
        job: SampleJob,
        attempt: str,
        number: int,
        chunk: FrameChunk,
        classifiers: tuple[str, ...],
        claim: Claim,
    ) -> None:
        """Store pixels and evidence, then the row, then the job: each names only what is there."""
        claim.confirm()
        work, redis, frames = job.work, self._stores.redis, len(chunk.frames)
        pixels = chunk.packed_pixels()
        stored = self._stores.blobs.put(pixels_key(work, attempt, number), pixels)
        self._store_evidence(work, number, chunk)
        job_id = embed_job_id(work, attempt, number)
        gate = Gate(redis, work)
        gate.open([job_id])
        self._backlog.add(work.model_key, job.priority, job_id, len(pixels))
        enqueue_once(
            redis,
            embed_queue(work.model_key, job.priority),
            EMBED,
            EmbedJob(
                work=work,
                attempt=attempt,
                chunk=number,
                frames=frames,
                pixels_sha256=stored.sha256,
                classifiers=classifiers,
            ),
            job_id=job_id,
            timeout_s=EMBED_TIMEOUT_S,
        )
        gate.note_sampled(number, frames)
        add_to_meters(redis, {(Meter.FRAMES, "sample"): frames})

    def _store_evidence(self, work: Work, number: int, chunk: FrameChunk) -> None:
        frames = chunk.frames
        pictures = pack_pictures([(frame.pts_us, frame.thumbnail_jpeg) for frame in frames])
        key = evidence_key(work, number, hashlib.sha256(pictures).hexdigest())
        evidence = self._stores.blobs.put(key, pictures)
        row = Chunk(
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
        with self._stores.database.begin() as session:
            upsert(session, row)

    def _record(self, row: Sampling, claim: Claim) -> None:
        claim.confirm()
        with self._stores.database.begin() as session:
            upsert(session, row)
        add_to_meters(self._stores.redis, {(Meter.SECONDS, "sample"): row.decode_s})


def _sampling_row(
    work: Work, facts: VideoFacts, summary: DecodeSummary, chunks: int, pictured: int
) -> Sampling:
    return Sampling(
        tenant=work.tenant,
        media_sha256=work.media_sha256,
        sampling_key=work.sampling_key,
        duration_us=summary.duration_us,
        width=facts.width,
        height=facts.height,
        codec=facts.codec,
        frame_rate=facts.frame_rate,
        frames=summary.frames_sampled,
        frames_pictured=pictured,
        cuts_us=list(summary.cuts_us),
        chunks=chunks,
        warnings=list(summary.warnings),
        partial=summary.partial,
        decode_s=summary.decode_wall_s,
        sampled_by=process_name(),
        finished_at=datetime.now(UTC),
    )
