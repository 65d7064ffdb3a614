"""Settings of the embedding process."""

from __future__ import annotations

from pydantic import Field

from ingest.sampling import CHUNK_FRAMES
from ingest.settings import ProcessSettings


class EmbedderSettings(ProcessSettings):
    """What an embedding process needs; `model_card` is the JSON of a ModelCard."""

    model_card: str
    device: str
    batch_size: int = Field(ge=1, le=CHUNK_FRAMES)
