"""The three kinds of workers, run one after the other in this process on real stores."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from redis import Redis
from rq.utils import as_text
from sqlalchemy import select

from ingest.database import Base
from ingest.endings import cancel
from ingest.keys import media_key
from ingest.media.spec import SamplingSpec
from ingest.queue.attempts import Handler
from ingest.queue.claims import Claim, Stopwatch
from ingest.queue.connection import open_queue
from ingest.queue.enqueueing import jobs_waiting
from ingest.queue.identity import WorkerIdentity
from ingest.queue.jobs import FINISH, SAMPLE, AllowlistedJob, fetch_job
from ingest.queue.leases import Lease, Outcome, settle, take
from ingest.queue.names import (
    FINISH_QUEUE,
    Priority,
    embed_queue,
    embed_queues,
    sample_queue,
    sample_queues,
    text_queue,
)
from ingest.queue.payloads import Work
from ingest.queue.upkeep import known_queues, release_due
from ingest.queue.worker import build_worker
from ingest.repair import Repaired, repair
from ingest.sampling import FRAMES_VERSION, SamplingJobs, sampling_key
from ingest.settings import WorkerLimits
from ingest.stores import Stores
from ingest.submissions import InPlace, Wish, submit
from ingest.tables import DEFAULT_TENANT, Submission
from prompts.label import Label
from prompts.schema import PromptSet
from tests.clips import BLUE, GREEN, RED, write_scenes
from tests.worker.fake_encoder import FAKE_CARD, FakeEncoder
from worker.classifiers.load import load_classifier
from worker.document import ResultDocument
from worker.embedding import EmbeddingJobs
from worker.finishing import FinishingJobs
from worker.frame_scores import LoadClassifier
from worker.results import is_embedded, read_document
from worker.texts import request_text_vectors, store_prompt_set

Row = TypeVar("Row", bound=Base)

HOST = "here"
_MAX_ROUNDS = 40
SAMPLE_QUEUE = sample_queue(Priority.NORMAL, HOST)
EMBED_QUEUE = embed_queue(FAKE_CARD.key, Priority.NORMAL)
TEXT_QUEUE = text_queue(FAKE_CARD.key)


def prompt_set(*labels: Label, name: str = "colours") -> PromptSet:
    """Return a set of these labels, each compared with grey."""
    return PromptSet(
        name=name,
        version="1",
        description="Colours of a fake model.",
        templates=("{}",),
        contrast=("grey",),
        labels=labels,
    )


COLOUR_SET = prompt_set(*(Label(id=name, prompts=(name,)) for name in ("blue", "green", "red")))


def write_three_scenes(path: Path) -> Path:
    """Write two seconds each of red, green and blue: 150 frames, at fps:25 three chunks."""
    return write_scenes(path, [(RED, 2.0), (GREEN, 2.0), (BLUE, 2.0)], width=64, height=48)


@dataclass(frozen=True)
class Submitted:
    """A submission and the work it waits for."""

    id: str
    work: Work


@dataclass(frozen=True)
class Taken:
    """A job in the hands of a test."""

    chain: Chain
    lease: Lease
    job: AllowlistedJob

    @property
    def claim(self) -> Claim:
        """What a worker hands to the handler."""
        return Claim(self.chain.stores.redis, self.lease, Stopwatch())

    def run(self) -> None:
        """Do the work once; what it raises is raised, and the job stays taken."""
        handler = self.chain.handlers()[self.job.func_name or ""]
        handler.run(self.job.args[0], self.claim)

    def end(self) -> None:
        """End the job as one that is done."""
        settle(self.chain.stores.redis, self.lease, Outcome.DONE)

    def lapse(self) -> None:
        """Take it away and put it back, as the reaper does when no heartbeat comes."""
        assert settle(self.chain.stores.redis, self.lease, Outcome.AGAIN)


@dataclass
class Chain:
    """Submits videos and runs what is queued."""

    stores: Stores
    encoder: FakeEncoder = field(default_factory=FakeEncoder)
    max_queued_bytes: int = 2**30
    load: LoadClassifier = load_classifier

    def submit(
        self,
        path: Path,
        prompt_sets: Sequence[PromptSet] = (COLOUR_SET,),
        sampling: str = "fps:25",
        *,
        priority: Priority = Priority.NORMAL,
        request_token: str | None = None,
        host: str | None = HOST,
        run_id: str | None = None,
        version: str = f".v{FRAMES_VERSION}",
    ) -> Submitted:
        """Submit a video that stays in place, and ask for the prompt sets' vectors.

        Without a host its content is copied into the blob store. `version` is the end of the
        sampling key, which an earlier release wrote otherwise.
        """
        content = path.read_bytes() if path.exists() else b"missing"
        key = sampling_key(SamplingSpec.parse(sampling), FAKE_CARD.geometry)
        work = Work(
            tenant=DEFAULT_TENANT,
            media_sha256=hashlib.sha256(content).hexdigest(),
            sampling_key=key.removesuffix(f".v{FRAMES_VERSION}") + version,
            model_key=FAKE_CARD.key,
        )
        for one in prompt_sets:
            store_prompt_set(self.stores, DEFAULT_TENANT, one)
            request_text_vectors(self.stores, DEFAULT_TENANT, FAKE_CARD.key, one.sha256)
        if host is None:
            self.stores.blobs.put_file(media_key(DEFAULT_TENANT, work.media_sha256), path)
        wish = Wish(
            work=work,
            in_place=None if host is None else InPlace(path, host),
            source=path.name,
            size_bytes=len(content),
            model_card=FAKE_CARD.to_json(),
            sampling=sampling,
            geometry=FAKE_CARD.geometry.name,
            prompt_set_sha256s=tuple(one.sha256 for one in prompt_sets),
            classifiers=tuple(sorted({name for one in prompt_sets for name in one.classifiers})),
            priority=priority,
            request_token=request_token,
            run_id=run_id,
        )
        return Submitted(submit(self.stores, wish, self.is_embedded).id, work)

    def is_embedded(self, work: Work) -> bool:
        """Whether every chunk of a work is stored."""
        return is_embedded(self.stores, work)

    def sample(self, max_jobs: int | None = None, host: str = HOST) -> None:
        """Run the sampling worker of a host until its queues are empty."""
        self._run(sample_queues(host), self.handlers(host), max_jobs)

    def embed(self, max_jobs: int | None = None) -> None:
        """Run the embedding worker, texts first, until its queues are empty."""
        self._run(embed_queues(FAKE_CARD.key), self.handlers(), max_jobs)

    def finish(self, max_jobs: int | None = None) -> None:
        """Run the finishing worker until its queue is empty."""
        self._run([FINISH_QUEUE], self.handlers(), max_jobs)

    def handlers(self, host: str = HOST) -> dict[str, Handler]:
        """What workers do with each kind of job."""
        sampling = SamplingJobs(self.stores, host=host, max_queued_bytes=self.max_queued_bytes)
        embedding = EmbeddingJobs(self.stores, self.encoder, self.load)
        finishing = FinishingJobs(self.stores)
        return {SAMPLE: sampling.handler, **embedding.handlers, FINISH: finishing.handler}

    def take(self, queue: str) -> Taken:
        """Take the next job of a queue as a worker would, and do nothing with it yet."""
        lease = take(self.stores.redis, [queue], "by hand")
        assert lease is not None, f"nothing waits on {queue}"
        return Taken(self, lease, fetch_job(self.stores.redis, lease.job_id))

    def lose_workers(self) -> None:
        """Do what follows when every worker is killed: leases lapse, jobs go back."""
        for queue in known_queues(self.stores.redis):
            for member in _members(self.stores.redis, f"rq:wip:{queue}"):
                settle(self.stores.redis, Lease.parse(queue, member), Outcome.AGAIN)

    def repair(self) -> Repaired:
        """Put back on the queue what was lost."""
        return repair(self.stores, self.is_embedded)

    def waiting_jobs(self) -> int:
        """How many jobs wait on all queues but those of other hosts."""
        queues = [*sample_queues(HOST), *embed_queues(FAKE_CARD.key), FINISH_QUEUE]
        return jobs_waiting(self.stores.redis, queues)

    def traces(self) -> list[str]:
        """What is left on the queue server of works and of their jobs."""
        kinds = ("rq:job:", "clipwarden:pending:", "clipwarden:waiting:", "clipwarden:progress:")
        keys = [as_text(key) for key in self.stores.redis.scan_iter()]
        return [key for key in keys if key.startswith((*kinds, "clipwarden:backlog:"))]

    def pixels(self) -> list[str]:
        """The keys of all pixels that are stored."""
        return self.blobs_under("default/pixels")

    def blobs_under(self, prefix: str) -> list[str]:
        """The keys of all blobs under a prefix."""
        found = []
        for name in self.stores.blobs.children(prefix):
            key = f"{prefix}/{name}"
            is_blob = self.stores.blobs.exists(key)
            found += [key] if is_blob else self.blobs_under(key)
        return found

    def cancel(self, submitted: Submitted) -> None:
        """Cancel a submission."""
        cancel(self.stores, DEFAULT_TENANT, submitted.id, self.is_embedded)

    def status(self, submitted: Submitted) -> str:
        """The status of a submission as it stands now."""
        return self.submission(submitted).status

    def run(self) -> None:
        """Run everything that is queued, retries and what they queue included."""
        for _ in range(_MAX_ROUNDS):
            self.sample()
            self.embed()
            self.finish()
            if not self.release_retries() and not self.waiting_jobs():
                return
        raise AssertionError("the queue never gets empty")

    def analyze(
        self,
        path: Path,
        prompt_sets: Sequence[PromptSet] = (COLOUR_SET,),
        sampling: str = "fps:25",
    ) -> ResultDocument:
        """Submit a video, run everything, and return its result."""
        submitted = self.submit(path, prompt_sets, sampling)
        self.run()
        return self.document(submitted)

    def document(self, submitted: Submitted) -> ResultDocument:
        """The result of an ended submission."""
        return read_document(self.stores, DEFAULT_TENANT, submitted.id)

    def submission(self, submitted: Submitted) -> Submission:
        """The row of a submission as it stands now."""
        [row] = [row for row in self.rows(Submission) if row.id == submitted.id]
        return row

    def rows(self, table: type[Row]) -> list[Row]:
        """All rows of a table, in order of its primary key."""
        with self.stores.database.read() as session:
            order = table.__table__.primary_key.columns  # type: ignore[attr-defined]
            rows = list(session.scalars(select(table).order_by(*order)))
            session.expunge_all()
        return rows

    def payloads(self, queue: str) -> list[dict[str, Any]]:
        """The arguments of the jobs on a queue, in their order."""
        return [job.args[0] for job in open_queue(queue, self.stores.redis).jobs]

    def deliver(self, queue: str, function: str, payloads: Sequence[Mapping[str, Any]]) -> None:
        """Replace what is on a queue by these jobs; a payload given twice is delivered twice."""
        queued = open_queue(queue, self.stores.redis)
        for job in queued.jobs:
            job.delete()
        for payload in payloads:
            queued.enqueue(function, dict(payload))

    def release_retries(self) -> int:
        """Put retries back on their queues as if their time had come; returns how many."""
        redis, released = self.stores.redis, 0
        for queue in known_queues(redis):
            scheduled = f"rq:scheduled:{queue}"
            for job_id in _members(redis, scheduled):
                redis.zadd(scheduled, {job_id: 0})
            released += release_due(redis, queue)
        return released

    def _run(
        self, queues: Sequence[str], handlers: Mapping[str, Handler], max_jobs: int | None
    ) -> None:
        worker = build_worker(
            WorkerIdentity("test", HOST), queues, handlers, self.stores.redis, WorkerLimits()
        )
        worker.work(burst=True, max_jobs=max_jobs, logging_level="CRITICAL")


def _members(redis: Redis, key: str) -> list[str]:
    return [as_text(member) for member in cast(list[bytes], redis.zrange(key, 0, -1))]
