"""Which of the shown frames become samples; each strategy with the plan that goes with it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from av.video.stream import VideoStream

from ingest.media.adaptive import AdaptiveStrategy
from ingest.media.clock import FrameClock, InstantSampler, NearSampler
from ingest.media.keyframes import KeyframePlan
from ingest.media.plan import (
    DecodeAll,
    FirstNotBefore,
    InstantPlan,
    NearestAnchor,
    Plan,
    can_skip_exactly,
)
from ingest.media.sender import Sender, Shown
from ingest.media.shots import ShotStrategy
from ingest.media.spec import MIN_KEYFRAME_STEP, TYPICAL_KEYFRAME_S, SamplingSpec


class Strategy(Protocol):
    """Takes every shown frame in order of time and sends what it samples."""

    exact: InstantSampler | None
    """Says of a frame that was passed over whether it should not have been."""

    def show(self, shown: Shown) -> None:
        """Take in the next frame."""

    def finish(self) -> None:
        """Send what is still held at the end."""


class FpsStrategy:
    """Samples the first frame not before each instant."""

    def __init__(self, sampler: InstantSampler, sender: Sender) -> None:
        self.exact: InstantSampler | None = sampler
        self._sampler = sampler
        self._sender = sender

    def show(self, shown: Shown) -> None:
        """Send the frame if it is the one for an instant."""
        if self._sampler.takes(shown.ticks):
            self._sender.make_and_send(shown)

    def finish(self) -> None:
        """Nothing is held."""


class FastStrategy:
    """Samples the frames chosen near instants."""

    def __init__(self, sampler: NearSampler, sender: Sender) -> None:
        self.exact: InstantSampler | None = None
        self._sampler = sampler
        self._sender = sender

    def show(self, shown: Shown) -> None:
        """Send the frame if it is the one for an instant."""
        if self._sampler.takes(shown.ticks, shown.chosen):
            self._sender.make_and_send(shown)

    def finish(self) -> None:
        """Nothing is held."""


class KeyframeStrategy:
    """Samples the first frame, and key frames no closer than half a second apart.

    Once the plan's flags turn out to be lies, a frame every five seconds stands in for them.
    """

    def __init__(self, plan: KeyframePlan, time_base: Fraction, sender: Sender) -> None:
        self.exact: InstantSampler | None = None
        self._plan = plan
        self._sender = sender
        self._step = int(MIN_KEYFRAME_STEP / time_base)
        self._blind_step = int(TYPICAL_KEYFRAME_S / time_base)
        self._last: int | None = None
        self._last_us = 0
        self._longest_us = (0, 0)

    def show(self, shown: Shown) -> None:
        """Send the frame if it is a key frame, or stands in for one, and not close to the last."""
        if self._last is None or self._is_due(shown, shown.ticks - self._last):
            self._longest_us = self.unseen_us(shown.pts_us)
            self._last, self._last_us = shown.ticks, shown.pts_us
            self._sender.make_and_send(shown)

    def unseen_us(self, end_us: int) -> tuple[int, int]:
        """The longest stretch between samples, or after the last one, of a video that long."""
        begin, end = self._longest_us
        return (self._last_us, end_us) if end_us - self._last_us > end - begin else (begin, end)

    def _is_due(self, shown: Shown, passed: int) -> bool:
        if self._plan.flags_lie and passed >= self._blind_step:
            return True
        return shown.frame.key_frame and passed >= self._step

    def finish(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class Sampling:
    """A strategy and its plan."""

    plan: Plan
    strategy: Strategy
    keyframes: KeyframePlan | None = None
    """The plan once more, where it wants to know what packets gave."""


def choose_sampling(
    spec: SamplingSpec, stream: VideoStream, clock: FrameClock, sender: Sender
) -> Sampling:
    """Return the plan and the strategy of a sampling; plans need decoders that skip exactly."""
    time_base = clock.time_base
    if spec.strategy == "keyframes":
        plan = KeyframePlan(clock)
        return Sampling(plan, KeyframeStrategy(plan, time_base, sender), plan)
    if spec.rate is None:
        return Sampling(DecodeAll(), ShotStrategy(sender, spec.per_shot))
    may_skip = can_skip_exactly(stream)
    if spec.fast:
        near = NearSampler(spec.rate, time_base)
        choice = InstantPlan(stream, clock, NearestAnchor(near)) if may_skip else DecodeAll()
        return Sampling(choice, FastStrategy(near, sender))
    exact = InstantSampler(spec.rate, time_base)
    whole = InstantPlan(stream, clock, FirstNotBefore(exact)) if may_skip else DecodeAll()
    if spec.floor is None:
        return Sampling(whole, FpsStrategy(exact, sender))
    return Sampling(whole, AdaptiveStrategy(exact, spec.floor, sender))
