"""Reading stored results: the document of a submission, and the scores behind it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from ingest.blobs import BlobRef
from ingest.errors import BlobError
from ingest.queue.payloads import Work
from ingest.stores import Stores
from ingest.tables import Sampling, Status, Submission
from ingest.works import work_of
from prompts.calibration import Calibration, labels_in_use
from prompts.schema import PromptSet
from worker.calibrations import load_calibration
from worker.composing import StoredResult, failed_document, finished_document
from worker.document import ResultDocument
from worker.errors import ResultMissing
from worker.score_blob import StoredScores
from worker.tables import NO_CALIBRATION, Embedding, Result, SegmentRow
from worker.texts import load_stored_prompt_set
from worker.versions import Version, versions_of


@dataclass(frozen=True)
class Scores:
    """Confidences of every sampled frame for every label of one prompt set.

    `times_us` is int64 `[n]`, `confidences` float32 `[n, labels]` in the set's order; `thresholds`
    are those that counted, the calibration's where it brought some.
    """

    prompt_set: PromptSet
    thresholds: tuple[float, ...]
    times_us: NDArray[np.int64]
    confidences: NDArray[np.float32]


def is_embedded(stores: Stores, work: Work) -> bool:
    """Say whether every chunk of a work is sampled and embedded already."""
    with stores.database.read() as session:
        sampled = session.get(Sampling, (work.tenant, work.media_sha256, work.sampling_key))
        if sampled is None:
            return False
        # Another sampling may once have made more chunks than this one.
        wanted = (*_of_work(Embedding, work), Embedding.chunk < sampled.chunks)
        count = select(func.count()).select_from(Embedding).where(*wanted)
        return session.scalar(count) == sampled.chunks


def read_document(
    stores: Stores,
    tenant: str,
    submission_id: str,
    versions: Sequence[Version] | None = None,
) -> ResultDocument:
    """Return the result document of an ended submission; raises ResultMissing otherwise.

    It shows the submission's own `versions`, unless others are asked for, which must be stored.
    """
    with stores.database.read() as session:
        submission = session.get(Submission, (tenant, submission_id))
        if submission is None or not Status(submission.status).is_final:
            raise ResultMissing(
                f"submission {submission_id} has no result.", "Wait for it, or submit it again."
            )
        if submission.status not in (Status.DONE, Status.PARTIAL):
            return failed_document(submission, _readable_prompt_sets(stores, submission))
        sampled = _sampled(session, work_of(submission))
        parts = [
            _part(stores, session, submission, version)
            for version in versions or versions_of(submission)
        ]
        session.expunge_all()
    return finished_document(submission, sampled, parts)


def read_scores(stores: Stores, tenant: str, submission_id: str) -> list[Scores]:
    """Return the scores of a finished submission, one entry per prompt set."""
    with stores.database.read() as session:
        submission = session.get_one(Submission, (tenant, submission_id))
        found = [
            (version, _blob_of(find_result(session, work_of(submission), version)))
            for version in versions_of(submission)
        ]
    return [_scores(stores, tenant, version, ref) for version, ref in found]


def find_result(session: Session, work: Work, version: Version) -> Result:
    """The row of one version of a work's result; raises ResultMissing."""
    query = select(Result).where(
        *_of_work(Result, work),
        Result.prompt_set_sha256 == version.prompt_set_sha256,
        Result.calibration_sha256 == version.calibration_sha256,
    )
    result = session.scalars(query).one_or_none()
    if result is None:
        raise ResultMissing(
            f"{work.media_sha256[:12]} was not scored by prompt set "
            f"{version.prompt_set_sha256[:12]} with calibration "
            f"{version.calibration_sha256[:12] or 'none'}.",
            "Score it: clipwarden rescore --prompts ...",
        )
    return result


def _part(
    stores: Stores, session: Session, submission: Submission, version: Version
) -> StoredResult:
    tenant = submission.tenant
    result = find_result(session, work_of(submission), version)
    scores = None
    # What was found stands in SQL; only its explanation is lost with them.
    with suppress(BlobError):
        scores = StoredScores.unpack(stores.blobs.get(_blob_of(result)))
    return StoredResult(
        result=result,
        segments=_segment_rows(session, result),
        prompt_set=load_stored_prompt_set(stores, tenant, version.prompt_set_sha256),
        calibration=_calibration(stores, tenant, version),
        scores=scores,
    )


def _calibration(stores: Stores, tenant: str, version: Version) -> Calibration | None:
    if version.calibration_sha256 == NO_CALIBRATION:
        return None
    return load_calibration(stores, tenant, version.calibration_sha256)


def _scores(stores: Stores, tenant: str, version: Version, ref: BlobRef) -> Scores:
    stored = StoredScores.unpack(stores.blobs.get(ref))
    prompt_set = load_stored_prompt_set(stores, tenant, version.prompt_set_sha256)
    labels = labels_in_use(prompt_set, _calibration(stores, tenant, version))
    return Scores(
        prompt_set=prompt_set,
        thresholds=tuple(label.threshold for label in labels),
        times_us=stored.times_us,
        confidences=stored.confidences,
    )


def _readable_prompt_sets(stores: Stores, submission: Submission) -> list[PromptSet]:
    """What is left of a failed submission's sets; that one is gone may be why it failed."""
    found = []
    for sha256 in submission.prompt_sets:
        with suppress(BlobError):
            found.append(load_stored_prompt_set(stores, submission.tenant, sha256))
    return found


def _segment_rows(session: Session, result: Result) -> Sequence[SegmentRow]:
    query = select(SegmentRow).where(SegmentRow.result_id == result.id)
    return session.scalars(query.order_by(SegmentRow.number)).all()


def _sampled(session: Session, work: Work) -> Sampling:
    return session.get_one(Sampling, (work.tenant, work.media_sha256, work.sampling_key))


def _blob_of(result: Result) -> BlobRef:
    return BlobRef(result.scores_key, result.scores_sha256)


def _of_work(table: type[Result | Embedding], work: Work) -> tuple[ColumnElement[bool], ...]:
    return (
        table.tenant == work.tenant,
        table.media_sha256 == work.media_sha256,
        table.sampling_key == work.sampling_key,
        table.model_key == work.model_key,
    )
