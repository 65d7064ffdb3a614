"""Storing a version of a result beside others, for submissions that ended long ago."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import Session

from ingest.keys import media_root
from ingest.queue.payloads import Work
from ingest.stores import Stores
from ingest.tables import Media, Status, Submission
from worker.scored import ScoredWork
from worker.storing import store_result
from worker.tables import NO_CALIBRATION, Result, SegmentRow
from worker.versions import Version, versions_of

FINISHED = (Status.DONE, Status.PARTIAL)


def version_of(scored: ScoredWork) -> Version:
    """The version that a result is stored as."""
    calibration = scored.calibration
    return Version(
        scored.prompt_set.sha256, NO_CALIBRATION if calibration is None else calibration.sha256
    )


def with_version(
    shown: Sequence[Version], new: Version, name: str, name_of: Mapping[str, str]
) -> list[Version]:
    """The shown versions with the new one in place of those of its set's name, or else at the end.

    `name_of` gives the names of prompt sets by their hashes.
    """
    found: list[Version] = []
    is_placed = False
    for one in shown:
        if name_of.get(one.prompt_set_sha256) != name:
            found.append(one)
        elif not is_placed:
            found.append(new)
            is_placed = True
    return found if is_placed else [*found, new]


def store_version(stores: Stores, scored: ScoredWork, show_in: Collection[str] = ()) -> bool:
    """Store one version of a work's result; returns False where the work is gone by now.

    The documents of the submissions in `show_in` show it from then on. Retention and purge may run
    at any time: what they deleted meanwhile leaves nothing that this stored.
    """
    store_result(stores, scored)
    work = scored.work
    with stores.database.begin() as session:
        # Retention holds it while it deletes: from here on either all is there, or nothing.
        session.get(Media, (work.tenant, work.media_sha256), with_for_update=True)
        rows = list(session.scalars(select(Submission).where(*_finished(work)).with_for_update()))
        for row in rows:
            if row.id in show_in:
                _show(session, row, scored)
        is_kept = bool(rows) or _is_submitted(session, work)
        if not is_kept:
            stores.blobs.delete_tree(media_root(work.tenant, "scores", work.media_sha256))
            _delete_results(session, work)
    return bool(rows)


def is_finished(stores: Stores, work: Work) -> bool:
    """Whether a submission of a work is still kept that has a result."""
    with stores.database.read() as session:
        return bool(session.scalar(select(exists().where(*_finished(work)))))


def _show(session: Session, row: Submission, scored: ScoredWork) -> None:
    query = select(Result.prompt_set_sha256, Result.prompt_set).where(*_of_media(row))
    name_of = {sha256: name for sha256, name in session.execute(query.distinct())}
    shown = with_version(versions_of(row), version_of(scored), scored.prompt_set.name, name_of)
    # New lists: changes inside the old ones would not be seen.
    row.prompt_sets = [one.prompt_set_sha256 for one in shown]
    row.calibrations = [one.calibration_sha256 for one in shown]
    row.classifiers = sorted({*row.classifiers, *scored.prompt_set.classifiers})


def _finished(work: Work) -> tuple[ColumnElement[bool], ...]:
    return (
        Submission.tenant == work.tenant,
        Submission.media_sha256 == work.media_sha256,
        Submission.sampling_key == work.sampling_key,
        Submission.model_key == work.model_key,
        Submission.status.in_(FINISHED),
    )


def _of_media(row: Submission | Work) -> tuple[ColumnElement[bool], ...]:
    return Result.tenant == row.tenant, Result.media_sha256 == row.media_sha256


def _is_submitted(session: Session, work: Work) -> bool:
    found = exists().where(
        Submission.tenant == work.tenant, Submission.media_sha256 == work.media_sha256
    )
    return bool(session.scalar(select(found)))


def _delete_results(session: Session, work: Work) -> None:
    results = select(Result.id).where(*_of_media(work))
    session.execute(delete(SegmentRow).where(SegmentRow.result_id.in_(results)))
    session.execute(delete(Result).where(*_of_media(work)))
