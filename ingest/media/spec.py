"""Which frames of a video are looked at; part of the sampling key."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ingest.errors import InvalidSampling

Strategy = Literal["fps"]

MIN_RATE = Fraction(1, 3600)
"""One frame an hour: rarer than that, nothing is found any more."""
MAX_RATE = Fraction(60)
"""More frames a second than most videos have."""

_FPS = re.compile(r"fps:([0-9]{1,6}(?:\.[0-9]{1,6}|/[1-9][0-9]{0,5})?)")
_EXAMPLES = "Write a rate of frames per second: fps:2, fps:0.5 or fps:1/3."


@dataclass(frozen=True)
class SamplingSpec:
    """`fps`: one frame for every instant k / `rate` seconds, k = 0, 1, 2, ...

    The frame of an instant is the first one that is not shown before it; a frame is taken once
    however many instants it is the first for. The first frame shown is always taken.
    """

    strategy: Strategy
    rate: Fraction

    def __post_init__(self) -> None:
        """Refuse rates out of bounds, however the spec was made."""
        if not MIN_RATE <= self.rate <= MAX_RATE:
            raise InvalidSampling(
                f"sampling rate fps:{self.rate} is out of bounds.",
                f"Choose a rate from fps:{MIN_RATE} (one frame an hour) to fps:{MAX_RATE}.",
            )

    @classmethod
    def parse(cls, text: str) -> SamplingSpec:
        """Read a sampling such as `fps:2`, `fps:0.5` or `fps:1/3`.

        Raises InvalidSampling for any other text and for rates out of bounds.
        """
        match = _FPS.fullmatch(text)
        if match is None:
            raise InvalidSampling(f"{text[:80]!r} is no sampling.", _EXAMPLES)
        return cls(strategy="fps", rate=Fraction(match[1]))

    @property
    def name(self) -> str:
        """The one way to write it, such as `fps:2` or `fps:1/2`: equal specs, equal names."""
        return f"{self.strategy}:{self.rate}"

    def estimated_frames(self, duration_us: int) -> int:
        """How many instants lie within that length: the frames sampled, if there are enough."""
        return math.ceil(self.rate * duration_us / 1_000_000)
