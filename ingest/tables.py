"""What was submitted and what was sampled: the tables of ingest.

Every key begins with the tenant. Times of media are microseconds relative to the first shown
frame; times of day are UTC.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, Index, String, Text
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

    id: Mapped[str] = mapped_column(String(32), primary_key=True)


class Submission(Base):
    """One wish: analyse this media with this model, sampling and these prompt sets."""

    __tablename__ = "submissions"
    __table_args__ = (Index("submissions_by_status", "tenant", "status"),)

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    media_url: Mapped[str] = mapped_column(Text)
    media_sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[BigInt]
    model_key: Mapped[str] = mapped_column(String(16))
    model_card: Mapped[str] = mapped_column(Text)
    sampling: Mapped[str] = mapped_column(String(64))
    geometry: Mapped[str] = mapped_column(String(64))
    sampling_key: Mapped[str] = mapped_column(String(128))
    prompt_sets: Mapped[list[str]] = mapped_column(JSON)
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
    frames: Mapped[int]
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
