"""Settings that worker processes get from whoever starts them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer


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


class ProcessSettings(BaseModel):
    """What every worker process needs; all that sampling and finishing do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stores: StoreSettings
