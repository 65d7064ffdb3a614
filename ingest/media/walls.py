"""Asks which walls stand on this machine, in a process of its own: they can't be taken down."""

from __future__ import annotations

import json
import subprocess
import sys

from ingest.media.sandbox import Walls

_TIMEOUT_S = 30


def standing_walls() -> Walls | None:
    """Return what a decoding process would be walled in by; None where it can't be told."""
    try:
        answer = subprocess.run(
            [sys.executable, "-P", "-m", "ingest.media.sandbox"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
        return Walls(**json.loads(answer.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return None
