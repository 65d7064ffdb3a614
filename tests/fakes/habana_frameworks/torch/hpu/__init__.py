"""What `torch.hpu` answers. Asking whether a card is there takes none; using it does."""

from __future__ import annotations

from ..card import CARD
from . import metrics

__all__ = [
    "Event",
    "Stream",
    "device_count",
    "get_device_name",
    "is_available",
    "is_initialized",
    "memory_stats",
    "metrics",
    "synchronize",
]

_LIMIT_BYTES = 96 << 30


class Stream:
    """A name that torch's compiler asks for; nothing runs beside anything here."""


class Event:
    """A name that torch's compiler asks for."""


def is_available() -> bool:
    """Whether there are any modules."""
    return CARD.count > 0


def device_count() -> int:
    """How many modules the machine has."""
    return CARD.count


def is_initialized() -> bool:
    """Whether this process holds one."""
    return CARD.is_taken


def get_device_name(_: object = None) -> str:
    """A name that nobody takes for a real card's."""
    CARD.use()
    return "FAKE-GAUDI"


def synchronize(_: object = None) -> None:
    """Wait for nothing."""
    CARD.use()
    CARD.record("synchronize")


def memory_stats(_: object = None) -> dict[str, int]:
    """Some of the real keys; only what modules take is counted."""
    CARD.use()
    return {"Limit": _LIMIT_BYTES, "InUse": CARD.memory_bytes, "MaxInUse": CARD.memory_bytes}
