"""Settings of the embedding and finishing processes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ingest.settings import StoreSettings


class EmbedderSettings(BaseModel):
    """What an embedding process needs; `model_card` is the JSON of a ModelCard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stores: StoreSettings
    model_card: str
    device: str
    batch_size: int = Field(ge=1, le=1024)


class FinisherSettings(BaseModel):
    """What a finishing process needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stores: StoreSettings
