"""What was computed and found: the tables of worker."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ingest.database import Base, BigInt

# What stands for "none": SQL takes two nulls for different, so a null could not be unique.
NO_CALIBRATION = ""


class Embedding(Base):
    """The vectors of one chunk under one model, in the blob store."""

    __tablename__ = "embeddings"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    media_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    sampling_key: Mapped[str] = mapped_column(String(128), primary_key=True)
    model_key: Mapped[str] = mapped_column(String(16), primary_key=True)
    chunk: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    frames: Mapped[int]
    blob_key: Mapped[str] = mapped_column(String(512))
    blob_sha256: Mapped[str] = mapped_column(String(64))
    pixels_sha256: Mapped[str] = mapped_column(String(64))
    batches: Mapped[int]
    batch_size: Mapped[int]
    embed_s: Mapped[float]
    device: Mapped[str] = mapped_column(String(32))
    embedded_by: Mapped[str] = mapped_column(String(255))


class Result(Base):
    """One prompt set scored on one work; unique by everything the scores depend on."""

    __tablename__ = "results"
    __table_args__ = (
        UniqueConstraint(
            "tenant",
            "media_sha256",
            "sampling_key",
            "model_key",
            "prompt_set_sha256",
            "calibration_sha256",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    media_sha256: Mapped[str] = mapped_column(String(64))
    sampling_key: Mapped[str] = mapped_column(String(128))
    model_key: Mapped[str] = mapped_column(String(16))
    prompt_set_sha256: Mapped[str] = mapped_column(String(64))
    prompt_set: Mapped[str] = mapped_column(String(64))
    prompt_set_version: Mapped[str] = mapped_column(String(64))
    calibration_sha256: Mapped[str] = mapped_column(String(64))
    scores_key: Mapped[str] = mapped_column(String(512))
    scores_sha256: Mapped[str] = mapped_column(String(64))
    device: Mapped[str] = mapped_column(Text)
    """Every device that embedded a part of it, with commas between."""
    frames_embedded: Mapped[int]
    embed_s: Mapped[float]
    created_at: Mapped[datetime]


class SegmentRow(Base):
    """One stretch of time in which a label holds."""

    __tablename__ = "segments"

    result_id: Mapped[int] = mapped_column(
        ForeignKey("results.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str] = mapped_column(String(128), index=True)
    start_us: Mapped[BigInt]
    end_us: Mapped[BigInt]
    peak_us: Mapped[BigInt]
    confidence: Mapped[float]
    mean_confidence: Mapped[float]
    frames: Mapped[int]
    nsfw: Mapped[bool]
    action: Mapped[str] = mapped_column(String(16))
    evidence: Mapped[str] = mapped_column(Text)


class CalibrationRow(Base):
    """A stored calibration; at most one of a model and a prompt set's name is active."""

    __tablename__ = "calibrations"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    model_key: Mapped[str] = mapped_column(String(16))
    prompt_set: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    is_active: Mapped[bool]


class FrameScore(Base):
    """A frame classifier's scores of one chunk's pictures, in the blob store."""

    __tablename__ = "frame_scores"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    media_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    sampling_key: Mapped[str] = mapped_column(String(128), primary_key=True)
    classifier_key: Mapped[str] = mapped_column(String(16), primary_key=True)
    chunk: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    classifier: Mapped[str] = mapped_column(String(32))
    frames: Mapped[int]
    blob_key: Mapped[str] = mapped_column(String(512))
    blob_sha256: Mapped[str] = mapped_column(String(64))
    pixels_sha256: Mapped[str] = mapped_column(String(64))
    """The pixels that were scored: vectors of others don't belong to these scores."""
    score_s: Mapped[float]
    scored_by: Mapped[str] = mapped_column(String(255))
