"""What fetching one source may cost."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.errors import TooManyBytes
from ingest.media.limits import DecodeLimits


@dataclass(frozen=True)
class FetchLimits:
    """Bounds of one fetch; each ends that source alone."""

    max_bytes: int = DecodeLimits().max_bytes
    timeout_s: float = 6 * 3600.0
    """For all of it, redirects included; what is piped in may take as long as its writer does."""
    connect_timeout_s: float = 10.0
    """To each address of a host."""
    idle_timeout_s: float = 30.0
    """Without a byte."""
    max_redirects: int = 3
    allow_private: bool = False
    """Whether this machine and private networks may be asked."""


def too_many_bytes(name: str, limits: FetchLimits, size_bytes: int | None = None) -> TooManyBytes:
    """Say where the limit stands, and the size where it is known before the content is read."""
    size = "more" if size_bytes is None else f"{size_bytes} bytes, more"
    return TooManyBytes(
        f"{name}: {size} than the limit of {limits.max_bytes} bytes.",
        "Raise the limit (submit --max-bytes ..., analyze --limit bytes=...), or cut the video "
        "into parts.",
    )
