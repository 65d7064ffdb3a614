"""What fetching one source may cost."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.media.limits import DecodeLimits


@dataclass(frozen=True)
class FetchLimits:
    """Bounds of one fetch; each ends that source alone."""

    max_bytes: int = DecodeLimits().max_bytes
    timeout_s: float = 3600.0
    """For all of it, redirects included."""
    connect_timeout_s: float = 10.0
    """To each address of a host."""
    idle_timeout_s: float = 30.0
    """Without a byte."""
    max_redirects: int = 3
    allow_private: bool = False
    """Whether this machine and private networks may be asked."""
