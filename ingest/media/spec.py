"""Which frames of a video are looked at; part of the sampling key."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ingest.errors import InvalidSampling

Strategy = Literal["fps", "keyframes", "shots", "adaptive"]

MIN_RATE = Fraction(1, 3600)
"""One frame an hour: rarer than that, nothing is found any more."""
MAX_RATE = Fraction(60)
"""More frames a second than most videos have."""
DEFAULT_FLOOR, DEFAULT_CEILING = Fraction(1, 2), Fraction(4)
"""Rates of `adaptive` without figures."""
MAX_PER_SHOT = 9
MIN_KEYFRAME_STEP = Fraction(1, 2)
"""Seconds: where every frame is a key frame (MJPEG, ProRes), all of them would be too many."""

TYPICAL_SHOT_S = 4
"""Edited video is cut every three to five seconds; good for an estimate only."""
TYPICAL_KEYFRAME_S = 5
"""Encoders put a key frame every two to ten seconds; where a file has no index, it is a guess."""

_RATE = r"[0-9]{1,6}(?:\.[0-9]{1,6}|/[1-9][0-9]{0,5})?"
_FPS = re.compile(rf"fps:(?P<rate>{_RATE})(?P<fast>,fast)?")
_SHOTS = re.compile(r"shots(?::(?P<per_shot>[1-9]))?")
_ADAPTIVE = re.compile(rf"adaptive(?::(?P<floor>{_RATE})-(?P<ceiling>{_RATE}))?")
_EXAMPLES = (
    "Write fps:2, fps:0.5 or fps:1/3 (frames per second), fps:1,fast, keyframes, shots, shots:3, "
    "adaptive or adaptive:0.5-4."
)


@dataclass(frozen=True)
class SamplingSpec:
    """One of four strategies. No frame is taken twice, and each has its own time.

    - `fps`: for every instant k / `rate` seconds, k = 0, 1, 2, ..., the first frame that is not
      shown before it; so the first frame is always taken. With `fast`, the frame is one near the
      instant that costs little to decode, at most half a step and half a second away; where
      there is none so near, it is the one without `fast`. Blocks are not smoothed then, which
      changes pixels by one to four levels of 255 on average, and by more towards the end of a
      long group of pictures, for each is predicted from others that were not smoothed either.
    - `keyframes`: what the encoder made decodable by itself, wherever that is, but at least half
      a second after the one before; and the first frame, whatever it is.
    - `shots`: `per_shot` frames of each shot, evenly spread (one is from its middle), and where
      the cuts are. A shot that lasts over ten seconds per frame is sampled in parts so long.
    - `adaptive`: the instants of `rate`, but a frame that looks like the last one embedded stands
      for it, unless 1 / `floor` seconds have passed.
    """

    strategy: Strategy
    rate: Fraction | None = None
    fast: bool = False
    per_shot: int = 1
    floor: Fraction | None = None

    def __post_init__(self) -> None:
        """Refuse rates out of bounds, however the spec was made."""
        for rate in (self.rate, self.floor):
            if rate is not None and not MIN_RATE <= rate <= MAX_RATE:
                raise InvalidSampling(
                    f"a sampling rate of {rate} a second is out of bounds.",
                    f"Choose a rate from fps:{MIN_RATE} (one frame an hour) to fps:{MAX_RATE}.",
                )
        if self.floor is not None and self.rate is not None and self.floor > self.rate:
            raise InvalidSampling(
                f"adaptive sampling from {self.floor} down to {self.rate} frames a second.",
                "Write the lower rate first: adaptive:0.5-4.",
            )

    @classmethod
    def parse(cls, text: str) -> SamplingSpec:
        """Read a sampling such as `fps:2`, `fps:1,fast`, `keyframes`, `shots:3`, `adaptive:1-4`.

        Raises InvalidSampling for any other text and for rates out of bounds.
        """
        if match := _FPS.fullmatch(text):
            return cls("fps", Fraction(match["rate"]), fast=bool(match["fast"]))
        if text == "keyframes":
            return cls("keyframes")
        if match := _SHOTS.fullmatch(text):
            return cls("shots", per_shot=int(match["per_shot"] or 1))
        if match := _ADAPTIVE.fullmatch(text):
            floor = Fraction(match["floor"]) if match["floor"] else DEFAULT_FLOOR
            ceiling = Fraction(match["ceiling"]) if match["ceiling"] else DEFAULT_CEILING
            return cls("adaptive", ceiling, floor=floor)
        raise InvalidSampling(f"{text[:80]!r} is no sampling.", _EXAMPLES)

    @property
    def name(self) -> str:
        """The one way to write it, such as `fps:2` or `fps:1/2,fast`: equal specs, equal names."""
        match self.strategy:
            case "fps":
                return f"fps:{self.rate}{',fast' if self.fast else ''}"
            case "keyframes":
                return "keyframes"
            case "shots":
                return f"shots:{self.per_shot}"
            case "adaptive":
                return f"adaptive:{self.floor}-{self.rate}"

    def estimated_frames(
        self,
        duration_us: int,
        keyframes: int | None = None,
        average_rate: Fraction | None = None,
    ) -> int:
        """How many frames that length gives, for progress bars: no frame is taken twice.

        For rates it is their instants, or the frames that there are where those are fewer; `fast`
        and gaps between frames make it one or more too many. For `shots` it is a guess, and for
        `adaptive` it counts those too that look like the last. `keyframes` is their number where
        the file's index, or a look at its packets, tells it; `average_rate` is frames a second.
        """
        if self.rate is not None:
            rate = min(self.rate, average_rate) if average_rate else self.rate
            return math.ceil(rate * duration_us / 1_000_000)
        if self.strategy == "keyframes" and keyframes is not None:
            return min(keyframes, math.ceil(duration_us / (MIN_KEYFRAME_STEP * 1_000_000)))
        step_s = TYPICAL_SHOT_S if self.strategy == "shots" else TYPICAL_KEYFRAME_S
        return self.per_shot * math.ceil(Fraction(duration_us, step_s * 1_000_000))
