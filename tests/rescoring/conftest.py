"""The chain of the worker's tests, whose fake model makes stored embeddings without torch."""

from __future__ import annotations

from tests.worker.conftest import (
    chain,
    no_commands_from_outside,
    no_pretty_tracebacks,
    three_scenes,
)

__all__ = ["chain", "no_commands_from_outside", "no_pretty_tracebacks", "three_scenes"]
