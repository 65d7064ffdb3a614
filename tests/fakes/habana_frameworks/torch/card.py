"""The one card that a process can hold, and a record of what was done with it."""

from __future__ import annotations

import fcntl
import os
import weakref
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path

from torch import nn


class FakeCard:
    """A file lock per module plays the driver's exclusive open."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.count = int(settings.get("FAKE_HPU_CARDS", "8"))
        self.events: list[tuple[object, ...]] = []
        self.modules: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self.module_id: int | None = None
        self._locks = Path(settings["FAKE_HPU_LOCKS"])
        dead = settings.get("FAKE_HPU_DEAD_MODULES", "")
        self._dead = frozenset(int(module) for module in dead.split(",") if module)
        mortal, _, batches = settings.get("FAKE_HPU_DIES_AFTER", "").rpartition(":")
        self._mortal = int(mortal) if mortal else None
        self._batches_left = int(batches) if batches else None
        self._is_broken = False
        self._owner_pid: int | None = None
        self._lock: TextIOWrapper | None = None

    @property
    def is_taken(self) -> bool:
        """Whether this process holds a module."""
        return self._owner_pid == os.getpid()

    @property
    def memory_bytes(self) -> int:
        """What the modules that were moved here take."""
        held = [*(p for m in self.modules for p in m.parameters())]
        return sum(tensor.numel() * tensor.element_size() for tensor in held)

    def use(self) -> None:
        """Take a module at the first use, and fail as a card does where it can't be used."""
        if self._owner_pid is None:
            self._take()
        elif not self.is_taken:
            raise RuntimeError(
                "fake: used in a forked child of the process that took the card; "
                "a real one hangs or does worse"
            )
        if self._is_broken:
            raise RuntimeError("synStatus=26 [Generic failure] fake: the card has died.")

    def use_for_batch(self) -> None:
        """Count a batch on its way to the card, which may be one too many for it."""
        self.use()
        if self._batches_left is not None and self._mortal in (None, self.module_id):
            self._batches_left -= 1
            if self._batches_left < 0:
                self._is_broken = True
                self._death(self.module_id).touch()
                self.use()

    def record(self, *event: object) -> None:
        """Write down what was done."""
        self.events.append(event)

    def times(self, kind: str) -> int:
        """How often something was done."""
        return sum(event[0] == kind for event in self.events)

    def _take(self) -> None:
        for module_id in self._candidates():
            if module_id in self._dead or self._death(module_id).exists():
                raise RuntimeError("synStatus=26 [Generic failure] Device acquire failed.")
            lock = self._try_lock(module_id)
            if lock is not None:
                self._owner_pid, self.module_id, self._lock = os.getpid(), module_id, lock
                self.record("take", module_id)
                return
        raise RuntimeError("synStatus=8 [Device not found] Device acquire failed.")

    def _death(self, module_id: int | None) -> Path:
        return self._locks / f"fake-hpu-{module_id}.dead"

    def _candidates(self) -> list[int]:
        """HLS_MODULE_ID first; without HABANA_VISIBLE_MODULES any other will do as well."""
        visible = os.environ.get("HABANA_VISIBLE_MODULES")
        wanted = os.environ.get("HLS_MODULE_ID")
        if wanted is not None:
            chosen = [int(wanted)]
            if visible is None:
                chosen += [module for module in range(self.count) if module != int(wanted)]
        elif visible:
            chosen = [int(module) for module in visible.split(",")]
        else:
            chosen = list(range(self.count))
        return [module for module in chosen if 0 <= module < self.count]

    def _try_lock(self, module_id: int) -> TextIOWrapper | None:
        handle = (self._locks / f"fake-hpu-{module_id}.lock").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            return None
        return handle


CARD = FakeCard(os.environ)
"""One in a process, as the driver's is."""
