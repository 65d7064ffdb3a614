"""Where sampling processes are at work: a file that stays in place is read there only."""

from __future__ import annotations

import time

from redis import Redis

from ingest.queue.presence import read_presences

# A process announces itself a moment after it is ready.
_PATIENCE_S = 3.0
_POLL_S = 0.2

_ROLE = "sample"


def samples_on(redis: Redis, host: str) -> bool:
    """Say whether a sampling process of a host is at work."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if any(one.role == _ROLE and one.host == host for one in read_presences(redis)):
            return True
        time.sleep(_POLL_S)
    return False
