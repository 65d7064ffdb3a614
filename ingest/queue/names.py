"""The queues: one per role, model and priority."""

from __future__ import annotations

from enum import StrEnum

FINISH_QUEUE = "finish"


class Priority(StrEnum):
    """What goes before what; a worker takes nothing of one while there is any of a higher."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    def goes_before(self, other: Priority) -> bool:
        """Whether it is the more urgent of two."""
        order = list(Priority)
        return order.index(self) < order.index(other)


def sample_queue(priority: Priority, host: str | None = None) -> str:
    """The queue of videos to be sampled, on one host where the file stays there."""
    return f"sample:{priority}" if host is None else f"sample:{priority}:{host}"


def sample_queues(host: str) -> list[str]:
    """What a sampling worker of a host serves, in order."""
    return [sample_queue(one, where) for one in Priority for where in (host, None)]


def embed_queue(model_key: str, priority: Priority) -> str:
    """The queue of frame chunks for one model."""
    return f"embed:{model_key}:{priority}"


def embed_queues(model_key: str) -> list[str]:
    """What an embedding worker serves, in order: texts first, for finishing waits for them."""
    return [text_queue(model_key), *(embed_queue(model_key, one) for one in Priority)]


def text_queue(model_key: str) -> str:
    """The queue of prompt sets to be embedded by one model."""
    return f"text:{model_key}"
