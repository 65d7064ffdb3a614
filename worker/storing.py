"""Storing a result: the scores as a blob, then the row and its segments in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ingest.blobs import BlobRef
from ingest.database import insert_if_absent
from ingest.keys import scores_key
from ingest.stores import Stores
from prompts.label import Label
from worker.frames import EmbeddedFrames
from worker.score_blob import pack_scores
from worker.scored import ScoredWork
from worker.segments import Segment
from worker.tables import NO_CALIBRATION, Result, SegmentRow

_HASH_DIGITS = 16


def _nothing() -> None:
    """Confirms nothing: nobody else does the same work."""


def store_result(
    stores: Stores, scored: ScoredWork, confirm: Callable[[], None] = _nothing
) -> None:
    """Store one version of a work's result, in place of an earlier one of the same version.

    `confirm` is called before the first write and raises where somebody else has the job by now.
    """
    content = pack_scores(scored)
    version = f"{scored.prompt_set.sha256}{_calibration(scored)[:_HASH_DIGITS]}"
    key = scores_key(scored.work, version, hashlib.sha256(content).hexdigest())
    confirm()
    stored = stores.blobs.put(key, content)
    with stores.database.begin() as session:
        result = _upsert_result(session, scored, stored)
        session.execute(delete(SegmentRow).where(SegmentRow.result_id == result.id))
        for number, (label, segment) in enumerate(scored.segments):
            session.add(_segment_row(result.id, number, label, segment, scored.frames))


def _calibration(scored: ScoredWork) -> str:
    return NO_CALIBRATION if scored.calibration is None else scored.calibration.sha256


def _upsert_result(session: Session, scored: ScoredWork, scores: BlobRef) -> Result:
    work, prompt_set, frames = scored.work, scored.prompt_set, scored.frames
    query = select(Result).where(
        Result.tenant == work.tenant,
        Result.media_sha256 == work.media_sha256,
        Result.sampling_key == work.sampling_key,
        Result.model_key == work.model_key,
        Result.prompt_set_sha256 == prompt_set.sha256,
        Result.calibration_sha256 == _calibration(scored),
    )
    row = Result(
        tenant=work.tenant,
        media_sha256=work.media_sha256,
        sampling_key=work.sampling_key,
        model_key=work.model_key,
        prompt_set_sha256=prompt_set.sha256,
        prompt_set=prompt_set.name,
        prompt_set_version=prompt_set.version,
        calibration_sha256=_calibration(scored),
        scores_key=scores.key,
        scores_sha256=scores.sha256,
        device=frames.device,
        frames_embedded=frames.frames_embedded,
        embed_s=frames.embed_s,
        created_at=datetime.now(UTC),
    )
    insert_if_absent(session, row)
    # Locked: another submission of the same work may write the same segments just now.
    result = session.scalars(query.with_for_update()).one()
    result.scores_key, result.scores_sha256 = scores.key, scores.sha256
    result.device, result.frames_embedded = frames.device, frames.frames_embedded
    result.embed_s = frames.embed_s
    result.created_at = datetime.now(UTC)
    session.flush()
    return result


def _segment_row(
    result_id: int, number: int, label: Label, segment: Segment, frames: EmbeddedFrames
) -> SegmentRow:
    return SegmentRow(
        result_id=result_id,
        number=number,
        label=label.id,
        start_us=segment.start_us,
        end_us=segment.end_us,
        peak_us=int(frames.shown_us[segment.peak]),
        confidence=segment.confidence,
        mean_confidence=segment.mean_confidence,
        frames=segment.frames,
        nsfw=label.nsfw,
        action=label.action,
        evidence=frames.evidence_of(segment.peak),
    )
