"""Deleting what is kept: by age, or at once by request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, delete, exists, func, or_, select
from sqlalchemy.orm import Session

from ingest.endings import release
from ingest.errors import DatabaseLocked, StillRunning
from ingest.keys import MEDIA_KINDS, media_root
from ingest.stores import Stores
from ingest.tables import Chunk, Media, Sampling, Status, Submission
from worker.results import is_embedded
from worker.settings import Retention
from worker.tables import Embedding, FrameScore, Result, SegmentRow

_MAX_PER_ROUND = 500

# A submission that was killed before it was recorded left its media; one that copies needs less.
_UNSUBMITTED_S = 24 * 3600.0

# Of a submission's media.
_HAS_MEDIA = exists().where(
    Media.tenant == Submission.tenant, Media.sha256 == Submission.media_sha256
)
_HAS_VECTORS, _HAS_SCORES = (
    exists().where(table.tenant == Submission.tenant, table.media_sha256 == Submission.media_sha256)
    for table in (Embedding, FrameScore)
)

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
    Media that nobody submitted within a day go whatever is kept: their submission was killed.
    """
    deleted = sum(
        _forget_unsubmitted(stores, tenant, sha256) for tenant, sha256 in _unsubmitted(stores)
    )
    if retention.results_s is not None:
        for tenant, submission_id, sha256 in _expired_submissions(stores, retention.results_s):
            deleted += _forget_submission(stores, tenant, submission_id, sha256)
    if retention.embeddings_s is not None:
        before = _before(retention.embeddings_s)
        for tenant, sha256 in _expired_media(stores, before, or_(_HAS_VECTORS, _HAS_SCORES)):
            deleted += _forget_embeddings(stores, tenant, sha256, before)
    if retention.media_s is not None:
        before = _before(retention.media_s)
        for tenant, sha256 in _expired_media(stores, before, _HAS_MEDIA):
            deleted += _forget_media(stores, tenant, sha256, before)
    if deleted:
        _log.info("retention deleted", count=deleted)
        _forget_deleted(stores)
    return deleted


def purge(stores: Stores, tenant: str, media_sha256: str) -> Purged:
    """Delete a media file and everything that was ever made of it, whoever submitted it.

    What is being worked on is cancelled first, and so is what is submitted meanwhile. Rows go last,
    so that a purge that is killed can be done again. Raises StillRunning, and deletes nothing yet,
    where a worker does not let go of a job, for it could write again.
    """
    of_media = (Submission.tenant == tenant, Submission.media_sha256 == media_sha256)
    purged: set[str] = set()
    while True:
        rows = _cancel_all(stores, of_media)
        _release_all(stores, rows)
        _delete_blobs(stores, tenant, media_sha256, MEDIA_KINDS)
        purged.update(row.id for row in rows)
        with stores.database.begin() as session:
            _lock(session, tenant, media_sha256)
            _delete_rows(session, tenant, media_sha256)
            session.execute(delete(Submission).where(*of_media, Submission.id.in_(purged)))
            is_done = session.scalar(select(func.count()).where(*of_media)) == 0
            if is_done:
                # What was scored anew meanwhile; with the row locked, as below, lest somebody who
                # submits the same just now loses the copy that he has made.
                _delete_blobs(stores, tenant, media_sha256, MEDIA_KINDS)
        if is_done:
            _forget_deleted(stores)
            return Purged(media_sha256, tuple(sorted(purged)))


def _release_all(stores: Stores, rows: Sequence[Submission]) -> None:
    """Take all of them off the queue, whichever of them a worker does not let go of."""
    failure: StillRunning | None = None
    for row in rows:
        try:
            release(stores, row, lambda work: is_embedded(stores, work))
        except StillRunning as error:
            failure = error
    if failure is not None:
        raise failure


def _forget_deleted(stores: Stores) -> None:
    try:
        stores.database.forget_deleted()
    except DatabaseLocked as error:
        _log.warning("deleted rows stay in the log until the next purge", reason=error.message)


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


def _expired_submissions(stores: Stores, keep_s: float) -> list[tuple[str, str, str]]:
    query = (
        select(Submission.tenant, Submission.id, Submission.media_sha256)
        .where(Submission.finished_at < _before(keep_s), Submission.status != Status.QUEUED)
        .limit(_MAX_PER_ROUND)
    )
    with stores.database.read() as session:
        return [(tenant, name, sha256) for tenant, name, sha256 in session.execute(query)]


def _expired_media(
    stores: Stores, before: datetime, has_any: ColumnElement[bool]
) -> list[tuple[str, str]]:
    """The media that have any of it and whose last submission ended that long ago."""
    unfinished = func.count().filter(Submission.status == Status.QUEUED)
    query = (
        select(Submission.tenant, Submission.media_sha256)
        .group_by(Submission.tenant, Submission.media_sha256)
        .having(unfinished == 0, func.max(Submission.finished_at) < before)
    )
    with stores.database.read() as session:
        found = session.execute(query.where(has_any).limit(_MAX_PER_ROUND))
        return [(tenant, sha256) for tenant, sha256 in found]


def _unsubmitted(stores: Stores) -> list[tuple[str, str]]:
    submitted = exists().where(
        Submission.tenant == Media.tenant, Submission.media_sha256 == Media.sha256
    )
    query = select(Media.tenant, Media.sha256).where(
        Media.created_at < _before(_UNSUBMITTED_S), ~submitted
    )
    with stores.database.read() as session:
        found = session.execute(query.limit(_MAX_PER_ROUND))
        return [(tenant, sha256) for tenant, sha256 in found]


# Each asks again with the media's row locked, and deletes the blobs before it lets go: whoever
# submits the same meanwhile waits, then finds that its copy is gone, and copies it again. The rows
# go with the commit, so that what a killed process left is found by them.


def _forget_submission(stores: Stores, tenant: str, submission_id: str, sha256: str) -> bool:
    """Delete a submission; with the last one of a media file, all that was made of it."""
    with stores.database.begin() as session:
        _lock(session, tenant, sha256)
        change = (
            delete(Submission)
            .where(
                Submission.tenant == tenant,
                Submission.id == submission_id,
                # Not one that is tried again in this moment.
                Submission.status != Status.QUEUED,
            )
            .returning(Submission.id)
        )
        if session.execute(change).first() is None:
            return False
        if not _is_submitted(session, tenant, sha256):
            _delete_blobs(stores, tenant, sha256, MEDIA_KINDS)
            _delete_rows(session, tenant, sha256)
    return True


def _forget_unsubmitted(stores: Stores, tenant: str, sha256: str) -> bool:
    with stores.database.begin() as session:
        media = _lock(session, tenant, sha256)
        if media is None or media.created_at >= _before(_UNSUBMITTED_S):
            return False
        if _is_submitted(session, tenant, sha256):
            return False
        _delete_blobs(stores, tenant, sha256, MEDIA_KINDS)
        _delete_rows(session, tenant, sha256)
    return True


def _forget_embeddings(stores: Stores, tenant: str, sha256: str, before: datetime) -> bool:
    with stores.database.begin() as session:
        _lock(session, tenant, sha256)
        if _is_wanted(session, tenant, sha256, before):
            return False
        _delete_blobs(stores, tenant, sha256, ("embeddings", "frame-scores"))
        for table in (Embedding, FrameScore):
            session.execute(delete(table).where(*_is_media(table, tenant, sha256)))
    return True


def _forget_media(stores: Stores, tenant: str, sha256: str, before: datetime) -> bool:
    with stores.database.begin() as session:
        _lock(session, tenant, sha256)
        if _is_wanted(session, tenant, sha256, before):
            return False
        _delete_blobs(stores, tenant, sha256, ("media", "evidence"))
        session.execute(delete(Media).where(Media.tenant == tenant, Media.sha256 == sha256))
    return True


def _lock(session: Session, tenant: str, sha256: str) -> Media | None:
    """Keep others from submitting a media file until the transaction ends."""
    return session.get(Media, (tenant, sha256), with_for_update=True)


def _is_submitted(session: Session, tenant: str, sha256: str) -> bool:
    found = exists().where(Submission.tenant == tenant, Submission.media_sha256 == sha256)
    return bool(session.scalar(select(found)))


def _is_wanted(session: Session, tenant: str, sha256: str, before: datetime) -> bool:
    """Whether a submission of it has not ended, or not long enough ago."""
    found = exists().where(
        Submission.tenant == tenant,
        Submission.media_sha256 == sha256,
        or_(Submission.status == Status.QUEUED, Submission.finished_at >= before),
    )
    return bool(session.scalar(select(found)))


def _delete_blobs(stores: Stores, tenant: str, sha256: str, kinds: Sequence[str]) -> None:
    for kind in kinds:
        stores.blobs.delete_tree(media_root(tenant, kind, sha256))


def _delete_rows(session: Session, tenant: str, sha256: str) -> None:
    results = select(Result.id).where(Result.tenant == tenant, Result.media_sha256 == sha256)
    session.execute(delete(SegmentRow).where(SegmentRow.result_id.in_(results)))
    for table in (Result, Embedding, FrameScore, Chunk, Sampling):
        session.execute(delete(table).where(*_is_media(table, tenant, sha256)))
    session.execute(delete(Media).where(Media.tenant == tenant, Media.sha256 == sha256))


def _is_media(
    table: type[Result | Embedding | FrameScore | Chunk | Sampling], tenant: str, sha256: str
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.tenant == tenant, table.media_sha256 == sha256


def _before(keep_s: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=keep_s)
