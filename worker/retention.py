"""Deleting what is kept: by age, at once by request, and what was left behind by accident."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import ValidationError
from sqlalchemy import ColumnElement, delete, exists, func, select
from sqlalchemy.orm import Session

from ingest.endings import release
from ingest.keys import MEDIA_KINDS, media_root, pixels_root
from ingest.queue.payloads import Work
from ingest.stores import Stores
from ingest.submissions import unfinished_of
from ingest.tables import Chunk, Media, Sampling, Status, Submission
from worker.results import is_embedded
from worker.settings import Retention
from worker.tables import Embedding, Result, SegmentRow

_MAX_PER_ROUND = 500

_log = structlog.get_logger("clipwarden.retention")


@dataclass(frozen=True)
class Purged:
    """What was deleted with a media file."""

    media_sha256: str
    submission_ids: tuple[str, ...]


def delete_expired(stores: Stores, retention: Retention) -> int:
    """Delete what has been kept for long enough; returns how many things were.

    Ages count from the end of the last submission that refers to a media file: what is still
    being worked on is never deleted. Evidence pictures go with the media, scores with the results.
    """
    deleted = 0
    if retention.results_s is not None:
        for tenant, submission_id, sha256 in _expired_submissions(stores, retention.results_s):
            _forget_submission(stores, tenant, submission_id, sha256)
            deleted += 1
    if retention.embeddings_s is not None:
        for tenant, sha256 in _expired_media(stores, retention.embeddings_s, Embedding):
            stores.blobs.delete_tree(media_root(tenant, "embeddings", sha256))
            with stores.database.begin() as session:
                session.execute(delete(Embedding).where(*_is_media(Embedding, tenant, sha256)))
            deleted += 1
    if retention.media_s is not None:
        for tenant, sha256 in _expired_media(stores, retention.media_s, Media):
            for kind in ("media", "evidence"):
                stores.blobs.delete_tree(media_root(tenant, kind, sha256))
            with stores.database.begin() as session:
                session.execute(delete(Media).where(Media.tenant == tenant, Media.sha256 == sha256))
            deleted += 1
    if deleted:
        _log.info("retention deleted", count=deleted)
    return deleted


def purge(stores: Stores, tenant: str, media_sha256: str) -> Purged:
    """Delete a media file and everything that was ever made of it, whoever submitted it.

    What is being worked on is cancelled first, and so is what is submitted meanwhile. Rows go last,
    so that a purge that is killed can be done again.
    """
    of_media = (Submission.tenant == tenant, Submission.media_sha256 == media_sha256)
    purged: set[str] = set()
    while True:
        rows = _cancel_all(stores, of_media)
        for row in rows:
            release(stores, row, lambda work: is_embedded(stores, work))
        for kind in MEDIA_KINDS:
            stores.blobs.delete_tree(media_root(tenant, kind, media_sha256))
        purged.update(row.id for row in rows)
        with stores.database.begin() as session:
            _delete_rows(session, tenant, media_sha256)
            session.execute(delete(Submission).where(*of_media, Submission.id.in_(purged)))
            if session.scalar(select(func.count()).where(*of_media)) == 0:
                return Purged(media_sha256, tuple(sorted(purged)))


def _cancel_all(stores: Stores, which: tuple[ColumnElement[bool], ...]) -> list[Submission]:
    """Cancel what has not ended; returns all of them."""
    with stores.database.begin() as session:
        rows = list(session.scalars(select(Submission).where(*which).with_for_update()))
        for row in rows:
            if not Status(row.status).is_final:
                row.status, row.finished_at = Status.CANCELLED, datetime.now(UTC)
        session.flush()
        session.expunge_all()
    return rows


def sweep_pixels(stores: Stores) -> int:
    """Delete pixels that no unfinished submission needs; returns how many works' there were.

    Each is deleted by the job that used it; this is for those whose job was lost.
    """
    swept = 0
    for folder, work in _works_with_pixels(stores):
        if work is None or not unfinished_of(stores.database, work):
            stores.blobs.delete_tree(folder)
            swept += 1
    return swept


def _works_with_pixels(stores: Stores) -> Iterator[tuple[str, Work | None]]:
    """Every folder of pixels and the work it is named after, or None for a name of no work."""
    blobs = stores.blobs
    for tenant in blobs.children(""):
        root = pixels_root(tenant)
        for sha256 in blobs.children(root):
            for sampling_key in blobs.children(f"{root}/{sha256}"):
                for model_key in blobs.children(f"{root}/{sha256}/{sampling_key}"):
                    names = {
                        "tenant": tenant,
                        "media_sha256": sha256,
                        "sampling_key": sampling_key,
                        "model_key": model_key,
                    }
                    folder = f"{root}/{sha256}/{sampling_key}/{model_key}"
                    with suppress(ValidationError):
                        yield folder, Work.model_validate(names)
                        continue
                    yield folder, None


def _expired_submissions(stores: Stores, keep_s: float) -> list[tuple[str, str, str]]:
    query = (
        select(Submission.tenant, Submission.id, Submission.media_sha256)
        .where(Submission.finished_at < _before(keep_s), Submission.status != Status.QUEUED)
        .limit(_MAX_PER_ROUND)
    )
    with stores.database.read() as session:
        return [(tenant, name, sha256) for tenant, name, sha256 in session.execute(query)]


def _expired_media(
    stores: Stores, keep_s: float, table: type[Media | Embedding]
) -> list[tuple[str, str]]:
    """The media with rows in a table whose last submission ended that long ago."""
    unfinished = func.count().filter(Submission.status == Status.QUEUED)
    query = (
        select(Submission.tenant, Submission.media_sha256)
        .group_by(Submission.tenant, Submission.media_sha256)
        .having(unfinished == 0, func.max(Submission.finished_at) < _before(keep_s))
    )
    if table is Media:
        kept = exists().where(
            Media.tenant == Submission.tenant, Media.sha256 == Submission.media_sha256
        )
    else:
        kept = exists().where(
            Embedding.tenant == Submission.tenant,
            Embedding.media_sha256 == Submission.media_sha256,
        )
    with stores.database.read() as session:
        found = session.execute(query.where(kept).limit(_MAX_PER_ROUND))
        return [(tenant, sha256) for tenant, sha256 in found]


def _forget_submission(stores: Stores, tenant: str, submission_id: str, sha256: str) -> None:
    """Delete a submission; with the last one of a media file, all that was made of it."""
    others = select(func.count()).where(
        Submission.tenant == tenant,
        Submission.media_sha256 == sha256,
        Submission.id != submission_id,
    )
    with stores.database.read() as session:
        is_last = session.scalar(others) == 0
    if is_last:
        for kind in MEDIA_KINDS:
            stores.blobs.delete_tree(media_root(tenant, kind, sha256))
    with stores.database.begin() as session:
        # Asked again: somebody may have submitted it in between, who then has it analysed anew.
        if is_last and session.scalar(others) == 0:
            _delete_rows(session, tenant, sha256)
        session.execute(
            delete(Submission).where(
                Submission.tenant == tenant,
                Submission.id == submission_id,
                # Not one that is tried again in this moment.
                Submission.status != Status.QUEUED,
            )
        )


def _delete_rows(session: Session, tenant: str, sha256: str) -> None:
    results = select(Result.id).where(Result.tenant == tenant, Result.media_sha256 == sha256)
    session.execute(delete(SegmentRow).where(SegmentRow.result_id.in_(results)))
    for table in (Result, Embedding, Chunk, Sampling):
        session.execute(delete(table).where(*_is_media(table, tenant, sha256)))
    session.execute(delete(Media).where(Media.tenant == tenant, Media.sha256 == sha256))


def _is_media(
    table: type[Result | Embedding | Chunk | Sampling], tenant: str, sha256: str
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.tenant == tenant, table.media_sha256 == sha256


def _before(keep_s: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=keep_s)
