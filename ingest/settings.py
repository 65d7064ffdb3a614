"""Settings that worker processes get from whoever starts them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer

from ingest.media.limits import DecodeLimits


class StoreSettings(BaseModel):
    """Where queue, database and blobs are; the same for all processes of one installation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    redis_url: SecretStr
    database_url: SecretStr
    blob_url: str = Field(min_length=1)

    @field_serializer("redis_url", "database_url", when_used="json")
    def _reveal(self, value: SecretStr) -> str:
        # Only on the way to a child's stdin; repr and logs keep the stars.
        return value.get_secret_value()


class WorkerLimits(BaseModel):
    """When a worker process makes way for a fresh one, between two jobs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_jobs: int = Field(default=5000, ge=1)
    max_rss_growth_mb: int = Field(default=2048, ge=16)
    """Above what it held when it was ready; a model's size differs too much for one figure."""


class ProcessSettings(BaseModel):
    """What every worker process needs; all that finishing does.

    `host` names the machine in queues of videos that stay where they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stores: StoreSettings
    host: str = Field(min_length=1)
    limits: WorkerLimits = WorkerLimits()


class SamplerSettings(ProcessSettings):
    """What a sampling process needs beyond that."""

    max_queued_bytes: int = Field(default=512 * 1024 * 1024, ge=1)
    decoding: DecodeLimits = DecodeLimits()
    """What one file may cost; `limits` are those of the worker process itself."""
