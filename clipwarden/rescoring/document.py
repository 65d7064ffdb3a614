"""What `clipwarden rescore` and `clipwarden diff` tell, as data."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from prompts.actions import Action
from worker.document import ErrorInfo


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class VersionInfo(_Part):
    """A prompt set and calibration; `calibration` null means that there is none."""

    prompt_set: str
    version: str
    sha256: str
    calibration: str | None


class StoredVersionInfo(VersionInfo):
    """One that results are stored of; `shown_by` is how many submissions' documents show it."""

    videos: int
    shown_by: int
    first_at: datetime
    last_at: datetime


class Verdict(_Part):
    """The flags of a video; `flagged` where it is to be reviewed or blocked, or is NSFW."""

    flagged: bool
    nsfw: bool
    action: Action
    labels: tuple[str, ...]


class Span(_Part):
    """When a segment lies, and its confidence."""

    start_ms: int
    end_ms: int
    confidence: float


class SegmentChange(_Part):
    """A segment that only one version has, or that both have, at other times."""

    kind: Literal["appeared", "disappeared", "moved"]
    label: str
    before: Span | None
    after: Span | None


class VideoChange(_Part):
    """A video whose flags or segments differ; `id` is its newest submission's.

    `submissions` counts all that share its results.
    """

    id: str
    submissions: int
    source: str
    media_sha256: str
    before: Verdict
    after: Verdict
    segments: tuple[SegmentChange, ...]

    @property
    def is_newly_flagged(self) -> bool:
        """Whether only the new version flags it."""
        return self.after.flagged and not self.before.flagged

    @property
    def is_no_longer_flagged(self) -> bool:
        """Whether only the old version flags it."""
        return self.before.flagged and not self.after.flagged


class LabelCounts(_Part):
    """Of one label: videos that have segments of it, segments, and how those differ."""

    label: str
    videos_before: int = 0
    videos_after: int = 0
    segments_before: int = 0
    segments_after: int = 0
    appeared: int = 0
    disappeared: int = 0
    moved: int = 0


class Counts(_Part):
    """How two versions differ over all videos that have both."""

    videos: int
    changed: int
    newly_flagged: int
    no_longer_flagged: int
    action_changed: int
    labels: tuple[LabelCounts, ...]


class LeftVideo(_Part):
    """A video that can't be scored anew, the reason, and the command that makes what it lacks."""

    id: str
    source: str
    error: ErrorInfo
    command: str


class Preview(_Part):
    """What re-scoring would change, for the chosen videos; of long lists the first entries.

    `left_count` of them can't be scored anew; `vanished` were deleted meanwhile.
    """

    counts: Counts
    changes: tuple[VideoChange, ...]
    left_count: int
    left: tuple[LeftVideo, ...]
    vanished: int


class Stored(_Part):
    """What was stored in the end; `shown` says whether the submissions' own documents show it."""

    videos: int
    left: int
    vanished: int
    shown: bool


class RescoreDocument(_Part):
    """Everything that a run of `clipwarden rescore` tells; `stored` is null after a dry run."""

    rescore_schema: Literal["clipwarden.rescore/1"] = Field(
        default="clipwarden.rescore/1", alias="schema"
    )
    versions: tuple[VersionInfo, ...]
    preview: Preview
    stored: Stored | None = None


class DiffDocument(_Part):
    """How two versions differ; `only_old` and `only_new` count the videos that have but one."""

    diff_schema: Literal["clipwarden.diff/1"] = Field(default="clipwarden.diff/1", alias="schema")
    old: VersionInfo
    new: VersionInfo
    counts: Counts
    only_old: int
    only_new: int
    changes: tuple[VideoChange, ...]


class VersionsDocument(_Part):
    """The versions that results are stored of."""

    versions_schema: Literal["clipwarden.versions/1"] = Field(
        default="clipwarden.versions/1", alias="schema"
    )
    versions: tuple[StoredVersionInfo, ...]
