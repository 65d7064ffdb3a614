"""When a process that died is started again, and when that is given up."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from clipwarden.errors import WorkerRefused
from ingest.errors import Passing

# A device that was there once may come back: a driver is reloaded, a card reset.
REFUSAL_PAUSE_S = 30.0

# No back-off needs to tell more deaths than these apart.
_MAX_COUNTED = 32


@dataclass(frozen=True)
class RestartPolicy:
    """How patient a supervisor is with its processes.

    More than `max_restarts` deaths within `window_s` are given up; None means never. A process
    that lived for `steady_s` has the deaths before it forgotten.
    """

    max_restarts: int | None = None
    window_s: float = math.inf
    steady_s: float = math.inf
    waits_out_refusals: bool = False
    backoff_s: float = 1.0
    max_backoff_s: float = 30.0

    def delay_s(self, deaths: int) -> float:
        """The wait before the restart that follows that many deaths: 0, 1, 2, 4, ... seconds."""
        return 0.0 if deaths < 2 else min(self.max_backoff_s, self.backoff_s * 2.0 ** (deaths - 2))

    def waits_out(self, refusal: WorkerRefused, *, was_ready: bool) -> bool:
        """Say whether a process that refused to work is to be tried again.

        An outage passes; a missing device or an unusable model passes only where the process
        has worked before.
        """
        return self.waits_out_refusals and (was_ready or is_passing(refusal))


# One command: a reason that restarting won't mend must reach the user.
FOR_A_RUN = RestartPolicy(max_restarts=3, window_s=600.0)

# Months without anybody looking: whatever was wrong may have passed.
FOR_A_SERVICE = RestartPolicy(steady_s=60.0, waits_out_refusals=True)


def is_passing(refusal: WorkerRefused) -> bool:
    """Say whether it names a shortage or an outage, which ends by itself."""
    return refusal.worker_code in {kind.code for kind in Passing.__subclasses__()}


@dataclass
class Deaths:
    """The deaths of one role's processes that still count."""

    policy: RestartPolicy
    at_s: deque[float] = field(default_factory=lambda: deque(maxlen=_MAX_COUNTED))

    def add(self, now_s: float, lived_s: float) -> int:
        """Note a death, by the monotonic clock, and return how many count with it."""
        if lived_s >= self.policy.steady_s:
            self.at_s.clear()
        self.at_s.append(now_s)
        while self.at_s[0] < now_s - self.policy.window_s:
            self.at_s.popleft()
        return len(self.at_s)

    @property
    def are_too_many(self) -> bool:
        """Whether restarting is hopeless."""
        return self.policy.max_restarts is not None and len(self.at_s) > self.policy.max_restarts
