"""The result document, `clipwarden.result/1`: what people and programs get for one input."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ingest.media.spec import Strategy
from prompts.actions import Action

RESULT_SCHEMA: Literal["clipwarden.result/1"] = "clipwarden.result/1"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ErrorInfo(_Part):
    """Why there is no result: a stable code, what was wrong, what to do."""

    code: str
    message: str
    cure: str


class VideoInfo(_Part):
    """The input. What was never learnt, because it failed before, is null."""

    id: str
    source: str
    sha256: str | None = None
    duration_ms: int | None = None
    width: int | None = None
    height: int | None = None
    codec: str | None = None
    frames_sampled: int = 0
    frames_embedded: int = 0
    """Those that are judged by pictures of their own; the others look like one before them."""
    cuts_ms: tuple[int, ...] = ()
    """Where shots begin, without the first; empty where the sampling looks for none."""
    warnings: tuple[str, ...] = ()


class ModelInfo(_Part):
    """What embedded the frames."""

    id: str
    key: str
    revision: str | None = None
    weights_sha256: str
    device: str | None
    precision: str


class PromptSetInfo(_Part):
    """What was looked for. `calibration` null means that confidences are uncalibrated."""

    name: str
    version: str
    sha256: str
    calibration: str | None = None


class SamplingInfo(_Part):
    """Which frames were looked at, and as what picture.

    `spec` is the sampling as it is written on the command line; `fps` is null where it has no
    rate. `version` is raised whenever the same frames would be made otherwise than before.
    """

    strategy: Strategy
    spec: str
    fps: float | None
    geometry: str
    version: int


class SegmentInfo(_Part):
    """A stretch of time in which a label holds; `confidence` is that of its peak frame."""

    prompt_set: str
    label: str
    parent: str | None
    start_ms: int
    end_ms: int
    confidence: float = Field(ge=0, le=1)
    mean_confidence: float = Field(ge=0, le=1)
    peak_ms: int
    frames: int
    nsfw: bool
    action: Action
    evidence: str


class Flags(_Part):
    """The verdict on the whole video."""

    nsfw: bool = False
    action: Action = Action.ALLOW
    labels: tuple[str, ...] = ()


class Timings(_Part):
    """Seconds spent; stored work that was used again keeps the time it once took."""

    decode_s: float = 0.0
    embed_s: float = 0.0
    total_s: float = 0.0


class ResultDocument(_Part):
    """One input's result."""

    result_schema: Literal["clipwarden.result/1"] = Field(default=RESULT_SCHEMA, alias="schema")
    status: Literal["done", "partial", "failed"]
    error: ErrorInfo | None = None
    video: VideoInfo
    model: ModelInfo
    prompt_sets: tuple[PromptSetInfo, ...]
    sampling: SamplingInfo
    segments: tuple[SegmentInfo, ...] = ()
    flags: Flags = Flags()
    timings: Timings = Timings()

    def to_json(self, *, indent: int | None = None) -> str:
        """The document as JSON text, keys in the order of the schema."""
        return self.model_dump_json(by_alias=True, indent=indent)
