"""Submissions for tests of what becomes of them; nothing is decoded and nothing is embedded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rq.utils import as_text
from sqlalchemy import select

from ingest.errors import MediaUnreadable
from ingest.queue.connection import open_queue
from ingest.queue.names import FINISH_QUEUE, Priority, embed_queue, sample_queue
from ingest.queue.payloads import EmbedJob, Work
from ingest.stores import Stores
from ingest.submissions import InPlace, Submitted, Wish, submit
from ingest.tables import Submission
from ingest.works import IsEmbedded

HOST = "here"
WORK = Work(
    tenant="default",
    media_sha256="a" * 64,
    sampling_key="fps-2.centre-224-bicubic",
    model_key="0123456789abcdef",
)
OTHER_WORK = WORK.model_copy(update={"media_sha256": "e" * 64})
ERROR = MediaUnreadable("clip.mp4 is no video.", "Convert it.")
ATTEMPT = "01234567"
IN_PLACE = InPlace(Path("/videos/a clip.mp4"), HOST)

SAMPLE_QUEUE = sample_queue(Priority.NORMAL, HOST)
EMBED_QUEUE = embed_queue(WORK.model_key, Priority.NORMAL)
QUEUES = (SAMPLE_QUEUE, EMBED_QUEUE, FINISH_QUEUE)


def never(_work: Work) -> bool:
    """Say that nothing is embedded."""
    return False


def always(_work: Work) -> bool:
    """Say that everything is embedded."""
    return True


def wish(
    work: Work = WORK,
    *,
    in_place: InPlace | None = IN_PLACE,
    priority: Priority = Priority.NORMAL,
    request_token: str | None = None,
    run_id: str | None = None,
    prompt_sets: tuple[str, ...] = ("b" * 64, "c" * 64),
) -> Wish:
    """A wish for a file of five gigabytes that nobody opens."""
    return Wish(
        work=work,
        source="a clip.mp4",
        size_bytes=5_000_000_000,
        in_place=in_place,
        model_card="{}",
        sampling="fps:2",
        geometry="centre-224-bicubic",
        prompt_set_sha256s=prompt_sets,
        priority=priority,
        request_token=request_token,
        run_id=run_id,
    )


def submit_to(
    stores: Stores, work: Work = WORK, is_embedded: IsEmbedded = never, **options: Any
) -> str:
    """Submit a wish and return the submission's id."""
    return submitted_to(stores, work, is_embedded, **options).id


def submitted_to(
    stores: Stores, work: Work = WORK, is_embedded: IsEmbedded = never, **options: Any
) -> Submitted:
    """Submit a wish."""
    return submit(stores, wish(work, **options), is_embedded)


def row_of(stores: Stores, submission_id: str, tenant: str = "default") -> Submission:
    """A submission's row as it stands now."""
    with stores.database.read() as session:
        row = session.get_one(Submission, (tenant, submission_id))
        session.expunge(row)
    return row


def rows_of(stores: Stores) -> list[Submission]:
    """All submissions, oldest first."""
    with stores.database.read() as session:
        rows = list(session.scalars(select(Submission).order_by(Submission.created_at)))
        session.expunge_all()
    return rows


def queued(stores: Stores, queue: str) -> list[dict[str, Any]]:
    """The arguments of the jobs on a queue, in their order."""
    return [job.args[0] for job in open_queue(queue, stores.redis).jobs]


def traces(stores: Stores) -> list[str]:
    """What is left on the queue server of works and of their jobs."""
    kinds = ("rq:job:", "clipwarden:pending:", "clipwarden:waiting:", "clipwarden:progress:")
    keys = [as_text(key) for key in stores.redis.scan_iter()]
    return [key for key in keys if key.startswith((*kinds, "clipwarden:backlog:"))]


def embed_job(work: Work = WORK, chunk: int = 0) -> EmbedJob:
    """A chunk's job as sampling queues it."""
    return EmbedJob(work=work, attempt=ATTEMPT, chunk=chunk, frames=4, pixels_sha256="d" * 64)
