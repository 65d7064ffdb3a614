"""What travels on the queue: small, versioned, JSON, and checked at both ends."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest.errors import JobRefused
from ingest.queue.names import Priority

JOB_SCHEMA: Literal["clipwarden.job/1"] = "clipwarden.job/1"

Sha256 = str
_SHA256 = r"^[0-9a-f]{64}$"
_WORD = r"^[a-z0-9][a-z0-9_.-]*$"


class Work(BaseModel):
    """One media file under one sampling and one model: the unit that submissions share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str = Field(pattern=_WORD)
    media_sha256: Sha256 = Field(pattern=_SHA256)
    sampling_key: str = Field(pattern=_WORD)
    model_key: str = Field(pattern=r"^[0-9a-f]{16}$")

    @property
    def id(self) -> str:
        """32 hex digits that name this work in Redis."""
        parts = (self.tenant, self.media_sha256, self.sampling_key, self.model_key)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


class Payload(BaseModel):
    """The base of all payloads: an unknown schema version or key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    job_schema: Literal["clipwarden.job/1"] = Field(default=JOB_SCHEMA, alias="schema")

    def to_args(self) -> dict[str, Any]:
        """The JSON object that the job carries as its only argument."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_args(cls, args: object) -> Self:
        """Check a job's argument; raises JobRefused naming the first thing wrong with it."""
        try:
            return cls.model_validate(args)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "payload"
            raise JobRefused(
                f"a {cls.__name__} on the queue is malformed at {place}: {first['msg']}.",
                "All processes of one installation must run the same release.",
            ) from error


class SampleJob(Payload):
    """Decode a work's media into frame chunks and queue each for embedding."""

    work: Work
    priority: Priority


class EmbedJob(Payload):
    """Embed one chunk of frames; `attempt` names the sampling that stored its pixels.

    `classifiers` names the frame classifiers that score its pictures, too.
    """

    work: Work
    attempt: str = Field(pattern=r"^[0-9a-f]{8}$")
    chunk: int = Field(ge=0)
    frames: int = Field(ge=1)
    pixels_sha256: Sha256 = Field(pattern=_SHA256)
    # Jobs of an earlier release have none.
    classifiers: tuple[Annotated[str, Field(pattern=_WORD)], ...] = ()


class TextJob(Payload):
    """Embed the texts of one prompt set."""

    tenant: str = Field(pattern=_WORD)
    model_key: str = Field(pattern=r"^[0-9a-f]{16}$")
    prompt_set_sha256: Sha256 = Field(pattern=_SHA256)


class FinishJob(Payload):
    """Score, cut segments, set flags and store the result of one submission."""

    submission_id: str
    work: Work
