"""What every runtime can do: batches of static sizes, begun one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from worker.encoders.protocol import Counts, Pixels, Vectors


class ImageRuntime(Protocol):
    """Runs an image tower, from uint8 `[b, s, s, 3]` to unit vectors `[b, d]`, on one device."""

    @property
    def device(self) -> str:
        """Where it runs, as users write it."""
        ...

    def start(self, batch: Pixels) -> Any:
        """Begin a batch of one of the static sizes, which may be overwritten afterwards.

        The result need not be there on return: the next batch travels to the device while this
        one is computed. Raises DeviceFailed.
        """
        ...

    def collect(self, started: Sequence[Any]) -> Vectors:
        """Wait for batches and return their float32 `[all, d]` in order, in one copy to the host.

        Raises DeviceFailed.
        """
        ...

    def failures(self) -> AbstractContextManager[None]:
        """A block in which the device's errors are told as DeviceFailed, for texts on it."""
        ...

    def counts(self) -> Counts:
        """What it has compiled so far, and what it takes of its device."""
        ...
