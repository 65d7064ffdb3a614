"""Submitting real files and sampling them, in a worker or in a thread of the test."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import psutil
from rq.utils import as_text
from sqlalchemy import select

from ingest.blobs import BlobRef
from ingest.database import Base
from ingest.geometry import Geometry
from ingest.keys import pixels_key
from ingest.media.spec import SamplingSpec
from ingest.queue.backlog import Backlog
from ingest.queue.claims import Claim, Stopwatch
from ingest.queue.connection import open_queue
from ingest.queue.enqueueing import EMBED_TIMEOUT_S, enqueue_once
from ingest.queue.identity import WorkerIdentity
from ingest.queue.jobs import EMBED, SAMPLE, fetch_job
from ingest.queue.leases import Outcome, settle, take
from ingest.queue.names import Priority, embed_queue, embed_queues, sample_queue, sample_queues
from ingest.queue.payloads import EmbedJob, Work
from ingest.queue.presence import ModelOnCard, Presence, State, announce_presence
from ingest.queue.worker import build_worker
from ingest.sampling import SamplingJobs, sampling_key
from ingest.settings import WorkerLimits
from ingest.stores import Stores
from ingest.submissions import InPlace, Wish, submit
from prompts.errors import ClipwardenError
from tests.ingest.submitting import embed_job, never

HOST = "here"
MODEL_KEY = "0123456789abcdef"
GEOMETRY = Geometry(crop="centre", size_px=64)


def submit_file(
    stores: Stores,
    path: Path,
    sampling: str = "fps:25",
    *,
    priority: Priority = Priority.NORMAL,
    host: str = HOST,
) -> tuple[str, Work]:
    work = Work(
        tenant="default",
        media_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        sampling_key=sampling_key(SamplingSpec.parse(sampling), GEOMETRY),
        model_key=MODEL_KEY,
    )
    wish = Wish(
        work=work,
        in_place=InPlace(path, host),
        source="the clip",
        size_bytes=path.stat().st_size,
        model_card="{}",
        sampling=sampling,
        geometry=GEOMETRY.name,
        prompt_set_sha256s=(),
        priority=priority,
    )
    return submit(stores, wish, never).id, work


def sampling_jobs(stores: Stores, max_queued_bytes: int = 2**30) -> SamplingJobs:
    return SamplingJobs(stores, host=HOST, max_queued_bytes=max_queued_bytes)


def run_sampler(stores: Stores, max_queued_bytes: int = 2**30, max_jobs: int | None = None) -> None:
    worker = build_worker(
        WorkerIdentity("sample", HOST),
        sample_queues(HOST),
        {SAMPLE: sampling_jobs(stores, max_queued_bytes).handler},
        stores.redis,
        WorkerLimits(),
    )
    worker.work(burst=True, max_jobs=max_jobs, logging_level="CRITICAL")


def embed_jobs(stores: Stores) -> list[EmbedJob]:
    queues = [open_queue(name, stores.redis) for name in embed_queues(MODEL_KEY)]
    return [EmbedJob.from_args(job.args[0]) for queue in queues for job in queue.jobs]


def pixels_of(job: EmbedJob) -> BlobRef:
    return BlobRef(pixels_key(job.work, job.attempt, job.chunk), job.pixels_sha256)


def rows(stores: Stores, table: type[Base]) -> list[Base]:
    with stores.database.read() as session:
        found = list(session.scalars(select(table)))
        session.expunge_all()
    return found


class Sampler(threading.Thread):
    """Does the one queued job here: RQ's worker wants the main thread for its signals."""

    def __init__(
        self, stores: Stores, max_queued_bytes: int, priority: Priority = Priority.NORMAL
    ) -> None:
        super().__init__()
        lease = take(stores.redis, [sample_queue(priority, HOST)], "by hand")
        assert lease is not None
        self.lease = lease
        self.error: BaseException | None = None
        self._args = fetch_job(stores.redis, lease.job_id).args[0]
        self._claim = Claim(stores.redis, lease, Stopwatch())
        self._handler = sampling_jobs(stores, max_queued_bytes).handler
        self._stores = stores
        self.start()

    def run(self) -> None:
        """Do it, keep what it raised, and end it where it raised nothing."""
        try:
            self._handler.run(self._args, self._claim)
            settle(self._stores.redis, self.lease, Outcome.DONE)
        except ClipwardenError as error:
            self._handler.give_up(self._args, error)
            settle(self._stores.redis, self.lease, Outcome.DONE)
            self.error = error
        except BaseException as error:
            self.error = error


def fill_backlog(stores: Stores, priority: Priority = Priority.NORMAL) -> None:
    """Let somebody else's pixels take all the room that there is, while the model is served."""
    serve_model(stores)
    Backlog(stores.redis).add(MODEL_KEY, priority, "theirs", 2**30)
    enqueue_once(
        stores.redis,
        embed_queue("f" * 16, Priority.LOW),
        EMBED,
        embed_job(),
        job_id="theirs",
        timeout_s=EMBED_TIMEOUT_S,
    )


def serve_model(stores: Stores) -> None:
    """Let somebody hold the model, as far as others see it."""
    model = ModelOnCard(key=MODEL_KEY, id="fake", card="{}", device="cpu")
    presence = Presence(
        name="theirs",
        role="embed",
        host=HOST,
        pid=1,
        state=State.BUSY,
        jobs_done=0,
        rss_bytes=0,
        model=model,
    )
    announce_presence(stores.redis, presence)


def keep_empty(stores: Stores, sampling: Sampler) -> None:
    """Make room for every chunk until the sampling has ended."""
    while sampling.is_alive():
        take_up_what_waits(stores)


def take_up_what_waits(stores: Stores) -> int:
    """Let the pixels that wait be embedded, as far as sampling sees it; returns how many did."""
    waiting = stores.redis.hkeys("clipwarden:backlog:normal")
    for job_id in waiting:
        Backlog(stores.redis).remove(as_text(job_id))
    return len(waiting)


def decoding() -> bool:
    """Whether a decoding process of these tests is at work."""
    children = psutil.Process().children(recursive=True)
    return any("ingest.media.child" in child.cmdline() for child in children)
