"""What is done to the processes of an installation: killed, frozen, the queue server restarted."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import psutil
import structlog
from redis import Redis
from redis.exceptions import RedisError

from ingest.errors import QueueUnavailable
from ingest.queue.presence import Presence, read_presences

_log = structlog.get_logger("clipwarden.chaos")


@dataclass(frozen=True)
class Plan:
    """How a run is disturbed.

    A process is killed after every `kill_every` committed chunks; the queue server is killed
    `queue_restarts` times and one embedding process frozen for `freeze_s`, evenly over the run.
    """

    kill_every: int
    queue_restarts: int
    freeze_s: float


@dataclass
class Disturbance:
    """Does to one installation what its plan says, as the number of committed chunks grows."""

    redis: Redis
    plan: Plan
    chunks_expected: int
    dice: random.Random
    done: Counter[str] = field(default_factory=Counter)
    _kills: int = 0
    _frozen: tuple[int, float] | None = None

    def go_on(self, committed: int) -> None:
        """Do what is due at this number of committed chunks."""
        self._thaw()
        if committed // self.plan.kill_every > self._kills:
            self._kills += 1
            self._kill_somebody()
        share = committed / self.chunks_expected
        restarts = self.done["queue server restarted"]
        if share < 1 and share > (restarts + 1) / (self.plan.queue_restarts + 1):
            self._kill_queue_server()
        if self.plan.freeze_s and share > 0.4 and not self.done["embed frozen"]:
            self._freeze_an_embedder()

    def end(self) -> None:
        """Let a frozen process go on."""
        if self._frozen is not None:
            with suppress(ProcessLookupError):
                os.kill(self._frozen[0], signal.SIGCONT)
            self._frozen = None

    def _kill_somebody(self) -> None:
        candidates = [one for one in self._present() if not self._is_frozen(one)]
        if candidates:
            victim = self.dice.choice(candidates)
            with suppress(ProcessLookupError):
                os.kill(victim.pid, signal.SIGKILL)
                self.done[f"{victim.role} killed"] += 1

    def _kill_queue_server(self) -> None:
        with suppress(RedisError, psutil.NoSuchProcess):
            pid = int(self.redis.info("server")["process_id"])
            psutil.Process(pid).kill()
            self.done["queue server restarted"] += 1

    def _freeze_an_embedder(self) -> None:
        embedders = [one for one in self._present() if one.role == "embed"]
        if embedders:
            pid = self.dice.choice(embedders).pid
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self._frozen = (pid, time.monotonic() + self.plan.freeze_s)
                self.done["embed frozen"] += 1

    def _thaw(self) -> None:
        if self._frozen is not None and time.monotonic() > self._frozen[1]:
            self.end()

    def _is_frozen(self, presence: Presence) -> bool:
        return self._frozen is not None and self._frozen[0] == presence.pid

    def _present(self) -> list[Presence]:
        """Who says to be at work and is: a killed process is present for some seconds more."""
        try:
            found = read_presences(self.redis)
        except QueueUnavailable as error:
            _log.info("nobody to disturb", reason=error.message)
            return []
        return [one for one in found if psutil.pid_exists(one.pid)]
