"""What was submitted and what was sampled: the tables of ingest.

Every key begins with the tenant. Times of media are microseconds relative to the first shown
frame; times of day are UTC.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ingest.database import Base, BigInt

DEFAULT_TENANT = "default"


class Status(StrEnum):
    """How far a submission is."""

    QUEUED = "queued"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self is not Status.QUEUED


class Installation(Base):
    """The one row that names this installation, so that a queue server can tell two apart."""

    __tablename__ = "installation"
    __table_args__ = (UniqueConstraint("number", name="installation_is_one"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(default=1)
    """Always 1: of two hosts that start at once only one can write the row."""


class Media(Base):
    """One content, whoever submitted it and under whatever names."""

    __tablename__ = "media"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size_bytes: Mapped[BigInt]
    blob_key: Mapped[str | None] = mapped_column(String(512))
    """Where its copy lies in the blob store; None where nobody copied it, or no longer."""
    created_at: Mapped[datetime]


class Submission(Base):
    """One wish: analyse this media with this model, sampling and these prompt sets."""

    __tablename__ = "submissions"
    __table_args__ = (
        Index("submissions_by_status", "tenant", "status"),
        Index("submissions_by_media", "tenant", "media_sha256"),
        # SQL takes two nulls for different: those without a token don't clash.
        UniqueConstraint("tenant", "request_token", name="submissions_by_token"),
    )

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    request_token: Mapped[str | None] = mapped_column(String(128))
    """The client's own name for its request: the same one twice is one submission."""
    run_id: Mapped[str | None] = mapped_column(String(32))
    """The run of a command that waits for the result itself; None where it is left to the queue."""
    priority: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(Text)
    location: Mapped[str | None] = mapped_column(Text)
    """A file URL, where the file stays on its host; None where it was copied."""
    host: Mapped[str | None] = mapped_column(String(255))
    """The host where `location` means something."""
    media_sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[BigInt]
    model_key: Mapped[str] = mapped_column(String(16))
    model_card: Mapped[str] = mapped_column(Text)
    sampling: Mapped[str] = mapped_column(String(64))
    geometry: Mapped[str] = mapped_column(String(64))
    sampling_key: Mapped[str] = mapped_column(String(128))
    prompt_sets: Mapped[list[str]] = mapped_column(JSON)
    calibrations: Mapped[list[str]] = mapped_column(JSON, default=list)
    """One for each prompt set, by their hashes; "" for none, and no list at all for none of any."""
    classifiers: Mapped[list[str]] = mapped_column(JSON, default=list)
    """The frame classifiers whose scores the prompt sets need, by name."""
    status: Mapped[str] = mapped_column(String(16))
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    error_cure: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Sampling(Base):
    """A finished sampling of one media file: its facts, and how many chunks it gave."""

    __tablename__ = "samplings"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    media_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    sampling_key: Mapped[str] = mapped_column(String(128), primary_key=True)
    duration_us: Mapped[BigInt]
    width: Mapped[int]
    height: Mapped[int]
    codec: Mapped[str] = mapped_column(String(64))
    frame_rate: Mapped[str | None] = mapped_column(String(32))
    """The container's word on frames a second, such as 30000/1001; None where it says none."""
    frames: Mapped[int]
    frames_pictured: Mapped[int]
    """Frames that came with pictures of their own; the others look like one before them."""
    cuts_us: Mapped[list[int]] = mapped_column(JSON)
    """Where shots begin, rising, without the first; empty where the sampling looks for none."""
    chunks: Mapped[int]
    warnings: Mapped[list[str]] = mapped_column(JSON)
    partial: Mapped[bool]
    decode_s: Mapped[float]
    sampled_by: Mapped[str] = mapped_column(String(255))
    finished_at: Mapped[datetime]


class Chunk(Base):
    """A run of sampled frames and their small pictures."""

    __tablename__ = "chunks"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    media_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    sampling_key: Mapped[str] = mapped_column(String(128), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    frames: Mapped[int]
    first_us: Mapped[BigInt]
    last_us: Mapped[BigInt]
    evidence_key: Mapped[str] = mapped_column(String(512))
    evidence_sha256: Mapped[str] = mapped_column(String(64))
