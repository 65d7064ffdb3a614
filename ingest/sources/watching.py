"""Noticing the files that come into a folder, once nobody writes to them any more."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ingest.sources.folders import FileState, list_folder


@dataclass
class _Seen:
    state: FileState
    since_s: float
    is_handed_out: bool = False


class FolderWatch:
    """Looks at a folder again and again; notifications don't come from network shares."""

    def __init__(
        self, folder: Path, settle_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take a file for complete when it has not changed for `settle_s`."""
        self._folder = folder
        self._settle_s = settle_s
        self._clock = clock
        self._seen: dict[Path, _Seen] = {}
        self.unreadable: tuple[Path, ...] = ()
        """What could not be looked at the last time."""

    def look(self) -> dict[Path, FileState]:
        """Return the files that are complete by now, each once for as long as it stays the same.

        Changed ones come again, and so do those that were gone in between. What can't be read now
        is not forgotten; raises MediaNotFound where that is the whole folder.
        """
        listing = list_folder(self._folder)
        self.unreadable = listing.unreadable
        now_s = self._clock()
        for path in self._seen.keys() - listing.files.keys():
            if not _is_in(path, listing.unreadable):
                del self._seen[path]
        ready = {}
        for path, state in listing.files.items():
            seen = self._seen.get(path)
            if seen is None or seen.state != state:
                self._seen[path] = _Seen(state, now_s)
            elif (
                not seen.is_handed_out
                and state.size_bytes
                and now_s - seen.since_s >= self._settle_s
            ):
                seen.is_handed_out = True
                ready[path] = state
        return ready

    def try_again(self, path: Path) -> None:
        """Hand a file out once more, after it has stayed the same for another while."""
        if (seen := self._seen.get(path)) is not None:
            seen.since_s, seen.is_handed_out = self._clock(), False


def _is_in(path: Path, places: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(place) for place in places)
