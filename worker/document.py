"""The result document, `clipwarden.result/1`: what people and programs get for one input."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ingest.media.spec import Strategy
from prompts.actions import Action
from prompts.label import ScoredBy
from prompts.links import Link

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
    frame_rate: float | None = None
    """What the container says, in frames a second; times are never made of it."""
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


class Explanation(_Part):
    """What a segment rests on: each of its frames, and what decided there.

    Entry i of each list is about one frame: shown at `times_ms`, its margin, and the confidence
    that `link` makes of it. `vectors` gives a place in the `vectors` of the scoring (for a
    classifier, of its `scores`) and the row there. `prompts` and `contrasts` are places in the
    scoring's `prompts`: the margin is the cosine of the vector and the one less that of the other;
    where `contrasts` says -1, less the model's `floor`. Both are empty where a head or a classifier
    scores.
    """

    scored_by: ScoredBy
    link: Link
    calibrated: bool
    threshold: float
    exit_threshold: float
    times_ms: tuple[int, ...]
    margins: tuple[float, ...]
    confidences: tuple[float, ...]
    vectors: tuple[tuple[int, int], ...]
    prompts: tuple[int, ...] = ()
    contrasts: tuple[int, ...] = ()
    because: str
    """The same of its peak frame, in a sentence."""


class BlobInfo(_Part):
    """A blob of arrays (numpy's .npz) in the store: its key, and the hash of its content."""

    key: str
    sha256: str


class PromptInfo(_Part):
    """A prompt that decided somewhere.

    Its vector is the mean of its texts' unit vectors, made unit length again; those are the `rows`
    of the text vectors, made unit length.
    """

    prompt: str
    texts: tuple[str, ...]
    rows: tuple[int, ...]


class HeadInfo(_Part):
    """A trained head: its label's margin is `weights @ vector + bias`."""

    label: str
    sha256: str
    weights: tuple[float, ...]
    bias: float


class ScoringInfo(_Part):
    """What is needed, beside the stored vectors, to compute a prompt set's confidences anew."""

    prompt_set: str
    calibration: str | None
    floor: float | None
    text_vectors: str | None
    """The key of the blob with the set's text vectors; null where no label needs any."""
    prompts: tuple[PromptInfo, ...]
    heads: tuple[HeadInfo, ...]
    vectors: tuple[BlobInfo, ...]
    """The array `vectors` of each, one after another, are the frames' pictures."""
    scores: dict[str, tuple[BlobInfo, ...]]
    """By classifier: the array `scores` of each, for the same pictures."""


class SegmentInfo(_Part):
    """A stretch of time in which a label holds; `confidence` is that of its peak frame.

    `explanation` is null in results of earlier releases.
    """

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
    explanation: Explanation | None = None


class FlagReason(_Part):
    """Why a video is flagged: the rule that fired, and the segments that it counted.

    `rule` is null where a label's own action or NSFW mark did, as any segment of it does that no
    rule is about. `segments` are places in the document's list.
    """

    prompt_set: str
    rule: str | None
    wording: str
    labels: tuple[str, ...]
    segments: tuple[int, ...]
    total_ms: int
    nsfw: bool
    action: Action


class Flags(_Part):
    """The verdict on the whole video: of its reasons the strongest."""

    nsfw: bool = False
    action: Action = Action.ALLOW
    labels: tuple[str, ...] = ()
    reasons: tuple[FlagReason, ...] = ()


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
    scoring: tuple[ScoringInfo, ...] = ()
    timings: Timings = Timings()

    def to_json(self, *, indent: int | None = None) -> str:
        """The document as JSON text, keys in the order of the schema."""
        return self.model_dump_json(by_alias=True, indent=indent)
