"""What the queue costs: our jobs against RQ's own, at growing numbers of queued videos.

Both sides do nothing in their jobs, so all time is overhead. A chunk of ours pays for more than a
job of RQ's: a lease that another process may take over, the gate that joins a video's chunks, the
count of queued bytes, and the check before the commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from redis import Redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from ingest.queue.attempts import Handler
from ingest.queue.backlog import Backlog
from ingest.queue.claims import Claim
from ingest.queue.enqueueing import EMBED_TIMEOUT_S, enqueue_once
from ingest.queue.gate import Gate
from ingest.queue.identity import WorkerIdentity
from ingest.queue.jobs import EMBED, SAMPLE
from ingest.queue.names import Priority, embed_queue, sample_queue
from ingest.queue.payloads import EmbedJob, SampleJob, Work
from ingest.queue.worker import build_worker
from ingest.settings import WorkerLimits
from ingest.works import embed_job_id, sample_job_id
from prompts.errors import ClipwardenError

_MODEL = "0" * 16
_SHA256 = "0" * 64
_ATTEMPT = "0" * 8
_BYTES = 1000
_BARE = "bare"
_LIMITS = WorkerLimits(max_jobs=10**9, max_rss_growth_mb=2**20)


@dataclass(frozen=True)
class Row:
    """Rates at one number of queued videos, in jobs per second.

    `chunk_ms` is what one of our chunks costs from its queueing to its end, `bare_ms` what one
    of RQ's jobs does; `overhead_ms` is their difference.
    """

    queued_videos: int
    submits_per_s: float
    bare_enqueues_per_s: float
    chunks_per_s: float
    bare_jobs_per_s: float
    chunk_ms: float
    bare_ms: float
    overhead_ms: float
    ratio: float
    bytes_per_video: int


def nothing() -> None:
    """What RQ's jobs do."""


def measure(redis: Redis, depths: Sequence[int], jobs: int) -> Iterator[Row]:
    """Measure at each number of queued videos; the server must be empty and ours alone."""
    for depth in depths:
        redis.flushdb()
        yield _at_depth(redis, depth, jobs)
    redis.flushdb()


def as_json(rows: Sequence[Row]) -> list[dict[str, float]]:
    """The rows as plain objects."""
    return [asdict(row) for row in rows]


def _at_depth(redis: Redis, depth: int, jobs: int) -> Row:
    before = int(redis.info("memory")["used_memory"])
    submit_s = _timed(lambda: _submit_videos(redis, depth))
    memory = int(redis.info("memory")["used_memory"]) - before
    enqueue_s, chunk_s = _run_ours(redis, jobs)
    bare_enqueue_s, bare_s = _run_bare(redis, depth, jobs)
    chunk_ms, bare_ms = 1000 * (enqueue_s + chunk_s) / jobs, 1000 * (bare_enqueue_s + bare_s) / jobs
    return Row(
        queued_videos=depth,
        submits_per_s=round(depth / submit_s, 1),
        bare_enqueues_per_s=round(jobs / bare_enqueue_s, 1),
        chunks_per_s=round(jobs / chunk_s, 1),
        bare_jobs_per_s=round(jobs / bare_s, 1),
        chunk_ms=round(chunk_ms, 3),
        bare_ms=round(bare_ms, 3),
        overhead_ms=round(chunk_ms - bare_ms, 3),
        ratio=round(chunk_ms / bare_ms, 2),
        bytes_per_video=memory // depth,
    )


def _submit_videos(redis: Redis, count: int) -> None:
    for number in range(count):
        work = _work(number)
        Gate(redis, work).join(f"{number:032x}", sample_job_id(work))
        enqueue_once(
            redis,
            sample_queue(Priority.NORMAL),
            SAMPLE,
            SampleJob(work=work, priority=Priority.NORMAL),
            job_id=sample_job_id(work),
            timeout_s=EMBED_TIMEOUT_S,
        )


def _run_ours(redis: Redis, jobs: int) -> tuple[float, float]:
    """Queue and run that many chunks of one video; returns the seconds of both."""
    work = _work(10**9)
    Gate(redis, work).join("f" * 32, "sampling")
    enqueue_s = _timed(lambda: _queue_chunks(redis, work, jobs))
    worker = build_worker(
        WorkerIdentity("bench", "bench"),
        [embed_queue(_MODEL, priority) for priority in Priority],
        {EMBED: Handler(lambda args, claim: _end_chunk(redis, args, claim), _never)},
        redis,
        _LIMITS,
    )
    return enqueue_s, _worked_s(worker)


def _queue_chunks(redis: Redis, work: Work, jobs: int) -> None:
    gate, backlog = Gate(redis, work), Backlog(redis)
    for chunk in range(jobs):
        job_id = embed_job_id(work, _ATTEMPT, chunk)
        backlog.add(_MODEL, Priority.NORMAL, job_id, _BYTES)
        gate.open([job_id])
        enqueue_once(
            redis,
            embed_queue(_MODEL, Priority.NORMAL),
            EMBED,
            EmbedJob(work=work, attempt=_ATTEMPT, chunk=chunk, frames=1, pixels_sha256=_SHA256),
            job_id=job_id,
            timeout_s=EMBED_TIMEOUT_S,
        )
        gate.note_sampled(chunk, 1)


def _end_chunk(redis: Redis, args: object, claim: Claim) -> None:
    """All that the queue asks of a chunk's job, without pixels, model and database."""
    job = EmbedJob.from_args(args)
    gate = Gate(redis, job.work)
    gate.is_awaited()
    claim.confirm()
    gate.note_embedded(job.chunk, job.frames)
    job_id = embed_job_id(job.work, job.attempt, job.chunk)
    Backlog(redis).remove(job_id)
    gate.close([job_id])


def _run_bare(redis: Redis, depth: int, jobs: int) -> tuple[float, float]:
    """The same with RQ alone, as many of its jobs queued elsewhere meanwhile."""
    others = Queue("others", connection=redis, serializer=JSONSerializer)
    for _ in range(depth):
        others.enqueue(nothing)
    queue = Queue(_BARE, connection=redis, serializer=JSONSerializer)

    def enqueue() -> None:
        for _ in range(jobs):
            queue.enqueue(nothing, result_ttl=0)

    enqueue_s = _timed(enqueue)
    worker = SimpleWorker([queue], connection=redis, serializer=JSONSerializer)
    return enqueue_s, _worked_s(worker)


def _worked_s(worker: SimpleWorker) -> float:
    # Either kind needs up to a second to cease listening for commands, once in its life.
    worker.subscribe = nothing  # type: ignore[method-assign]
    return _timed(lambda: worker.work(burst=True, logging_level="CRITICAL"))


def _never(args: object, error: ClipwardenError) -> None:
    raise AssertionError(f"nothing fails here: {args} {error}")


def _work(number: int) -> Work:
    return Work(
        tenant="bench", media_sha256=f"{number:064x}", sampling_key="fps-2", model_key=_MODEL
    )


def _timed(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began
