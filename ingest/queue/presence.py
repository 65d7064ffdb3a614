"""Who is at work: each worker process says so every few seconds, and is forgotten soon after."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, ValidationError
from redis import Redis

from ingest.queue.reaching import reaching_queue

# Written every three seconds: three may be lost before a process counts as gone.
PRESENCE_TTL_S = 12

_KEY = "clipwarden:presence:{}"


class State(StrEnum):
    """What a worker process is doing."""

    IDLE = "idle"
    BUSY = "busy"
    PAUSED = "paused"
    """It waits for a shortage or an outage to end; `paused` says which."""


class ModelOnCard(BaseModel):
    """The model that an embedding process holds, and where; `card` is a ModelCard as JSON."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    id: str
    card: str
    device: str
    memory_bytes: int | None = None
    """What is taken of the card's memory; None where the device has none of its own."""
    device_name: str = ""
    """What the device is, such as the processor's name."""
    software: str = ""
    """What runs the model there, with its version."""
    precision: str = ""
    centred_cosine: float | None = None
    """How near its vectors were to float32 on the CPU at the start, as the worst cosine about the
    mean; None for just that."""
    classifiers: tuple[str, ...] = ()
    """The frame classifiers that are installed beside it, by name."""


class Presence(BaseModel):
    """One worker process as it last described itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    role: str
    host: str
    pid: int
    state: State
    job_id: str | None = None
    paused: str | None = None
    """The code of the error that it waits out."""
    jobs_done: int
    rss_bytes: int
    model: ModelOnCard | None = None


@reaching_queue()
def announce_presence(connection: Redis, presence: Presence) -> None:
    """Say that a process is at work; it counts as present for PRESENCE_TTL_S seconds."""
    connection.set(_KEY.format(presence.name), presence.model_dump_json(), ex=PRESENCE_TTL_S)


@reaching_queue()
def withdraw_presence(connection: Redis, name: str) -> None:
    """Say that a process ends."""
    connection.delete(_KEY.format(name))


@reaching_queue()
def read_presences(connection: Redis) -> tuple[Presence, ...]:
    """Everybody at work, ordered by role and name."""
    keys = list(connection.scan_iter(match=_KEY.format("*"), count=1000))
    found = []
    for text in connection.mget(keys) if keys else []:
        # Gone between the two calls, or another release's.
        if text is None:
            continue
        try:
            found.append(Presence.model_validate_json(text))
        except ValidationError:
            continue
    return tuple(sorted(found, key=lambda one: (one.role, one.name)))


def models_served(presences: tuple[Presence, ...]) -> dict[str, ModelOnCard]:
    """The models that somebody holds right now, by their keys."""
    return {one.model.key: one.model for one in presences if one.model is not None}
