"""What one version of a result found in a video: its segments, and the flags they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.queue.payloads import Work
from ingest.stores import Stores
from ingest.tables import Submission
from ingest.works import work_of
from prompts.actions import Action
from prompts.schema import PromptSet
from worker.document import Flags, SegmentInfo
from worker.errors import ResultMissing
from worker.flagging import flags_of
from worker.rescoring import version_of
from worker.results import find_result
from worker.scored import ScoredWork
from worker.tables import SegmentRow
from worker.texts import load_stored_prompt_set
from worker.versions import Version, versions_of


@dataclass(frozen=True, eq=False)
class Part:
    """The segments of one version, in order of start, as the result document has them."""

    version: Version
    prompt_set: PromptSet
    segments: tuple[SegmentInfo, ...]

    @classmethod
    def of(cls, scored: ScoredWork) -> Part:
        """What was scored just now, be it stored or not."""
        name = scored.prompt_set.name
        shown_us = scored.frames.shown_us
        segments = tuple(
            _segment(
                name,
                label.id,
                start_us=found.start_us,
                end_us=found.end_us,
                peak_us=int(shown_us[found.peak]),
                confidence=found.confidence,
                mean_confidence=found.mean_confidence,
                frames=found.frames,
                nsfw=label.nsfw,
                action=label.action,
                evidence=scored.frames.evidence_of(found.peak),
            )
            for label, found in scored.segments
        )
        return cls(version_of(scored), scored.prompt_set, segments)


def flags_of_parts(parts: Sequence[Part]) -> Flags:
    """The flags of a document that shows these versions."""
    segments = [segment for part in parts for segment in part.segments]
    return flags_of(segments, [part.prompt_set for part in parts])


class StoredParts:
    """Reads versions of results; prompt sets are read once."""

    def __init__(self, stores: Stores, tenant: str) -> None:
        self._stores = stores
        self._tenant = tenant
        self._sets: dict[str, PromptSet] = {}

    def shown(self, submission: Submission) -> list[Part]:
        """What a submission's document shows now.

        Raises ResultMissing, BlobMissing, BlobCorrupt.
        """
        with self._stores.database.read() as session:
            work = work_of(submission)
            return [self._read(session, work, version) for version in versions_of(submission)]

    def find(self, work: Work, version: Version) -> Part | None:
        """One version of a work's result, or None; raises BlobMissing, BlobCorrupt."""
        try:
            with self._stores.database.read() as session:
                return self._read(session, work, version)
        except ResultMissing:
            return None

    def prompt_set(self, sha256: str) -> PromptSet:
        """A stored prompt set; raises BlobMissing, BlobCorrupt."""
        if sha256 not in self._sets:
            self._sets[sha256] = load_stored_prompt_set(self._stores, self._tenant, sha256)
        return self._sets[sha256]

    def _read(self, session: Session, work: Work, version: Version) -> Part:
        result = find_result(session, work, version)
        prompt_set = self.prompt_set(version.prompt_set_sha256)
        query = select(SegmentRow).where(SegmentRow.result_id == result.id)
        rows = session.scalars(query.order_by(SegmentRow.number))
        segments = tuple(
            _segment(
                prompt_set.name,
                row.label,
                start_us=row.start_us,
                end_us=row.end_us,
                peak_us=row.peak_us,
                confidence=row.confidence,
                mean_confidence=row.mean_confidence,
                frames=row.frames,
                nsfw=row.nsfw,
                action=Action(row.action),
                evidence=row.evidence,
            )
            for row in rows
        )
        return Part(version, prompt_set, segments)


def _segment(
    prompt_set: str,
    label: str,
    *,
    start_us: int,
    end_us: int,
    peak_us: int,
    confidence: float,
    mean_confidence: float,
    frames: int,
    nsfw: bool,
    action: Action,
    evidence: str,
) -> SegmentInfo:
    parent, dot, _ = label.rpartition(".")
    return SegmentInfo(
        prompt_set=prompt_set,
        label=label,
        parent=parent if dot else None,
        start_ms=round(start_us / 1000),
        end_ms=round(end_us / 1000),
        confidence=round(confidence, 4),
        mean_confidence=round(mean_confidence, 4),
        peak_ms=round(peak_us / 1000),
        frames=frames,
        nsfw=nsfw,
        action=action,
        evidence=evidence,
    )
