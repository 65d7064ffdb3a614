"""Recording what somebody wants analysed, and looking up what was recorded."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.database import Database, insert_if_absent
from ingest.errors import SubmissionNotFound, TokenReused
from ingest.keys import media_key
from ingest.queue.names import Priority
from ingest.queue.payloads import Work
from ingest.stores import Stores
from ingest.tables import Installation, Media, Status, Submission
from ingest.works import IsEmbedded, set_out

_ID_DIGITS = 32


@dataclass(frozen=True)
class InPlace:
    """A file that stays where it is, on the host that can read it."""

    path: Path
    host: str


@dataclass(frozen=True)
class Wish:
    """What is to be analysed, and how; everything a submission row and its jobs need.

    Without `in_place` the media's copy is in the blob store. `calibration_sha256s` has one for each
    prompt set, or none at all; `classifiers` names the frame classifiers whose scores the prompt
    sets need. `run_id` names the run of a command
    that waits for the result, and `run_host` the host it runs on.
    """

    work: Work
    source: str
    size_bytes: int
    in_place: InPlace | None
    model_card: str
    sampling: str
    geometry: str
    prompt_set_sha256s: tuple[str, ...]
    calibration_sha256s: tuple[str, ...] = ()
    classifiers: tuple[str, ...] = ()
    priority: Priority = Priority.NORMAL
    request_token: str | None = None
    run_id: str | None = None
    run_host: str | None = None


@dataclass(frozen=True)
class Submitted:
    """A submission's id, and whether it was made just now or by an earlier request."""

    id: str
    is_new: bool


def installation_id(database: Database) -> str:
    """The random name of the installation that a database belongs to; made at first asking."""
    with database.begin() as session:
        insert_if_absent(session, Installation(id=uuid.uuid4().hex, number=1))
        return session.scalars(select(Installation.id)).one()


def submit(stores: Stores, wish: Wish, is_embedded: IsEmbedded) -> Submitted:
    """Record a wish and queue what it needs.

    The same request token a second time gives the same submission, and nothing is done again;
    raises TokenReused where it came with another wish.
    """
    row = _row(wish)
    with stores.database.begin() as session:
        media = _locked_media(session, wish.work, wish.size_bytes)
        if wish.in_place is None:
            media.blob_key = media_key(wish.work.tenant, wish.work.media_sha256)
        session.flush()
        earlier = None if insert_if_absent(session, row) else _of_token(session, wish)
        if earlier is not None and not _is_same(earlier, wish):
            # Inside, so that nothing is left of a media that nobody submitted.
            raise TokenReused(
                f"the request token {wish.request_token!r} was used for another request before.",
                "Make a new token for a new request; the same one is for trying the same again.",
            )
        session.expunge_all()
    chosen = earlier or row
    # Also for an earlier one: its client may have died between the row and the queue.
    if not Status(chosen.status).is_final:
        set_out(stores, chosen, is_embedded)
    return Submitted(chosen.id, is_new=earlier is None)


def announce_media(stores: Stores, work: Work, size_bytes: int) -> None:
    """Record a media file before its copy is made: a copy without a row would never be deleted."""
    with stores.database.begin() as session:
        media = _locked_media(session, work, size_bytes)
        # Retention deletes what nobody submits within a day of this.
        media.created_at = datetime.now(UTC)


def find_submission(database: Database, tenant: str, submission_id: str) -> Submission:
    """Return a submission by its id, or by the beginning of it; raises SubmissionNotFound."""
    prefix = submission_id.lower()
    rows: Sequence[Submission] = ()
    if prefix and len(prefix) <= _ID_DIGITS and all(one in "0123456789abcdef" for one in prefix):
        with database.read() as session:
            query = select(Submission).where(
                Submission.tenant == tenant, Submission.id.startswith(prefix)
            )
            rows = session.scalars(query.limit(2)).all()
            session.expunge_all()
    if len(rows) == 1:
        return rows[0]
    what = (
        f"several submissions begin with {submission_id!r}"
        if rows
        else (f"there is no submission {submission_id!r}")
    )
    raise SubmissionNotFound(f"{what}.", "`clipwarden status` lists them with their ids.")


def unfinished_of(database: Database, work: Work) -> list[Submission]:
    """The submissions that want a work and have not ended, oldest first."""
    query = select(Submission).where(
        Submission.tenant == work.tenant,
        Submission.media_sha256 == work.media_sha256,
        Submission.sampling_key == work.sampling_key,
        Submission.model_key == work.model_key,
        Submission.status == Status.QUEUED,
    )
    with database.read() as session:
        rows = list(session.scalars(query.order_by(Submission.created_at, Submission.id)))
        session.expunge_all()
    return rows


def _of_token(session: Session, wish: Wish) -> Submission:
    query = select(Submission).where(
        Submission.tenant == wish.work.tenant, Submission.request_token == wish.request_token
    )
    return session.scalars(query).one()


def _is_same(row: Submission, wish: Wish) -> bool:
    # Not the sampling key: it also says which release made the frames. Classifiers follow from the
    # prompt sets, and which calibration is in use may have changed since.
    asked = (wish.work.media_sha256, wish.work.model_key, wish.sampling, wish.geometry)
    return (
        row.media_sha256,
        row.model_key,
        row.sampling,
        row.geometry,
    ) == asked and tuple(row.prompt_sets) == wish.prompt_set_sha256s


def _locked_media(session: Session, work: Work, size_bytes: int) -> Media:
    """The row of a media file, made where there is none; nobody deletes it, or its copy, now."""
    while True:
        insert_if_absent(session, _media(work, size_bytes))
        key = (work.tenant, work.media_sha256)
        media = session.get(Media, key, with_for_update=True)
        # Or it was just being deleted.
        if media is not None:
            return media


def _media(work: Work, size_bytes: int) -> Media:
    return Media(
        tenant=work.tenant,
        sha256=work.media_sha256,
        size_bytes=size_bytes,
        blob_key=None,
        created_at=datetime.now(UTC),
    )


def _row(wish: Wish) -> Submission:
    return Submission(
        tenant=wish.work.tenant,
        id=uuid.uuid4().hex,
        request_token=wish.request_token,
        run_id=wish.run_id,
        priority=wish.priority,
        source=wish.source,
        location=None if wish.in_place is None else wish.in_place.path.as_uri(),
        host=wish.run_host if wish.in_place is None else wish.in_place.host,
        media_sha256=wish.work.media_sha256,
        size_bytes=wish.size_bytes,
        model_key=wish.work.model_key,
        model_card=wish.model_card,
        sampling=wish.sampling,
        geometry=wish.geometry,
        sampling_key=wish.work.sampling_key,
        prompt_sets=list(wish.prompt_set_sha256s),
        calibrations=list(wish.calibration_sha256s),
        classifiers=list(wish.classifiers),
        status=Status.QUEUED,
        created_at=datetime.now(UTC),
    )
