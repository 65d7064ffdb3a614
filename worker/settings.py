"""Settings of the embedding process and of the keeper."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from ingest.chunks import CHUNK_PICTURES
from ingest.settings import ProcessSettings


class EmbedderSettings(ProcessSettings):
    """What an embedding process needs; `model_card` is the JSON of a ModelCard.

    `cpus` are the processors near the card, which it is to run on; without any it takes all.
    """

    model_card: str
    device: str
    batch_size: int = Field(ge=1, le=CHUNK_PICTURES)
    cpus: tuple[int, ...] = ()


class Duty(StrEnum):
    """What a keeper process looks after."""

    REAP = "reap"
    """Jobs whose workers died go back on their queues."""

    SCHEDULE = "schedule"
    """Retries that are due, lost jobs, what retention says is to be deleted."""


class Retention(BaseModel):
    """How long things are kept after their submission has ended, in seconds; None is for ever."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    media_s: float | None = Field(default=None, ge=0)
    embeddings_s: float | None = Field(default=None, ge=0)
    results_s: float | None = Field(default=None, ge=0)


class KeeperSettings(ProcessSettings):
    """What a keeper process needs: which duties it has."""

    duties: tuple[Duty, ...] = tuple(Duty)
    retention: Retention = Retention()
