"""The three kinds of workers, run one after the other in this process on real stores."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select

from ingest.database import Base
from ingest.media.spec import SamplingSpec
from ingest.queue.attempts import Handler
from ingest.queue.connection import (
    FINISH_QUEUE,
    SAMPLE_QUEUE,
    embed_queue,
    open_queue,
    text_queue,
)
from ingest.queue.jobs import FINISH, SAMPLE
from ingest.queue.payloads import Work
from ingest.queue.worker import build_worker
from ingest.sampling import SamplingJobs, sampling_key
from ingest.stores import Stores
from ingest.submissions import Wish, submit
from ingest.tables import DEFAULT_TENANT, Submission
from prompts.schema import Label, PromptSet
from tests.clips import BLUE, GREEN, RED, write_scenes
from tests.worker.fake_encoder import FAKE_CARD, FakeEncoder
from worker.document import ResultDocument
from worker.embedding import EmbeddingJobs
from worker.finishing import FinishingJobs
from worker.results import is_embedded, read_document
from worker.texts import request_text_vectors, store_prompt_set

Row = TypeVar("Row", bound=Base)

EMBED_QUEUE = embed_queue(FAKE_CARD.key)
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


@dataclass
class Chain:
    """Submits videos and runs what is queued."""

    stores: Stores
    encoder: FakeEncoder = field(default_factory=FakeEncoder)
    batch_size: int = 10

    def submit(
        self,
        path: Path,
        prompt_sets: Sequence[PromptSet] = (COLOUR_SET,),
        sampling: str = "fps:25",
    ) -> Submitted:
        """Submit a video as `analyze` does, and ask for the prompt sets' vectors."""
        content = path.read_bytes() if path.exists() else b"missing"
        work = Work(
            tenant=DEFAULT_TENANT,
            media_sha256=hashlib.sha256(content).hexdigest(),
            sampling_key=sampling_key(SamplingSpec.parse(sampling), FAKE_CARD.geometry),
            model_key=FAKE_CARD.key,
        )
        for one in prompt_sets:
            store_prompt_set(self.stores, DEFAULT_TENANT, one)
            request_text_vectors(self.stores, DEFAULT_TENANT, FAKE_CARD.key, one.sha256)
        wish = Wish(
            work=work,
            path=path,
            source=path.name,
            size_bytes=len(content),
            model_card=FAKE_CARD.to_json(),
            sampling=sampling,
            geometry=FAKE_CARD.geometry.name,
            prompt_set_sha256s=tuple(one.sha256 for one in prompt_sets),
        )
        known = is_embedded(self.stores, work)
        return Submitted(
            submit(self.stores.database, self.stores.redis, wish, is_embedded=known), work
        )

    def sample(self, max_jobs: int | None = None) -> None:
        """Run the sampling worker until its queue is empty."""
        self._run([SAMPLE_QUEUE], {SAMPLE: SamplingJobs(self.stores).handler}, max_jobs)

    def embed(self, max_jobs: int | None = None) -> None:
        """Run the embedding worker, texts first, until its queues are empty."""
        jobs = EmbeddingJobs(self.stores, self.encoder, self.batch_size)
        self._run([TEXT_QUEUE, EMBED_QUEUE], jobs.handlers, max_jobs)

    def finish(self) -> None:
        """Run the finishing worker until its queue is empty."""
        self._run([FINISH_QUEUE], {FINISH: FinishingJobs(self.stores).handler}, None)

    def run(self) -> None:
        """Run everything that is queued."""
        self.sample()
        self.embed()
        self.finish()

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

    def _run(
        self, queues: Sequence[str], handlers: Mapping[str, Handler], max_jobs: int | None
    ) -> None:
        worker = build_worker("test", queues, handlers, self.stores.redis)
        worker.work(burst=True, max_jobs=max_jobs, logging_level="CRITICAL")
