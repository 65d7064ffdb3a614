"""When frames are shown and which of them are sampled; exact integers, no floats."""

from __future__ import annotations

from fractions import Fraction

_MICROSECONDS = 1_000_000
_DEFAULT_STEP = Fraction(1, 25)
"""Seconds a frame is shown for when neither it, its neighbours nor the header say."""
_SMALL_JUMP = Fraction(1, 5)
"""Seconds: frames out of order by less are noise; by more, another recording begins. Short, for
until the noise is over no frame can be sampled."""


class FrameClock:
    """Turns the timestamps of shown frames into times that start at 0 and never go back.

    A frame without a timestamp is shown when the one before it ends. A frame slightly before
    its predecessor is given the predecessor's time; a longer jump back is taken for a joined
    recording, which then goes on where the first one ended.
    """

    def __init__(self, time_base: Fraction, nominal_rate: Fraction | None) -> None:
        self.time_base = time_base
        step = 1 / nominal_rate if nominal_rate else _DEFAULT_STEP
        self._step = max(1, round(step / time_base))
        self._small_jump = int(_SMALL_JUMP / time_base)
        self._offset: int | None = None
        self._last = 0
        self._last_duration = 0
        self.missing = 0
        self.out_of_order = 0
        self.jumps_back = 0

    def show(self, timestamp: int | None, duration: int) -> int:
        """Return the ticks since the first frame at which this frame is shown."""
        if self._offset is None:
            self._offset = -(timestamp or 0)
            self.missing += timestamp is None
            ticks = 0
        elif timestamp is None:
            self.missing += 1
            ticks = self._end()
        else:
            ticks = self._monotone(timestamp + self._offset)
        if ticks > self._last:
            self._step = ticks - self._last
        self._last = ticks
        self._last_duration = duration
        return ticks

    def microseconds(self, ticks: int) -> int:
        """Convert ticks to whole microseconds."""
        return round(ticks * self.time_base * _MICROSECONDS)

    @property
    def duration_us(self) -> int:
        """From the first frame to the end of the last one shown so far."""
        return 0 if self._offset is None else self.microseconds(self._end())

    def _end(self) -> int:
        return self._last + (self._last_duration or self._step)

    def _monotone(self, ticks: int) -> int:
        if ticks >= self._last:
            return ticks
        if self._last - ticks < self._small_jump:
            self.out_of_order += 1
            return self._last
        self.jumps_back += 1
        assert self._offset is not None
        self._offset += self._end() - ticks
        return self._end()


class InstantSampler:
    """Takes the first frame not shown before each instant k / rate, and none twice.

    Half a tick is allowed for: in a time base of a millisecond, the frame meant for 1/3 s says
    333 ms and would otherwise come too early for its instant.
    """

    def __init__(self, rate: Fraction, time_base: Fraction) -> None:
        self._per_tick = rate * time_base
        self._next_instant = 0

    def takes(self, ticks: int) -> bool:
        """Say whether the frame at that time is sampled; ask once per frame, in order."""
        per_tick = self._per_tick
        instant = (2 * ticks + 1) * per_tick.numerator // (2 * per_tick.denominator)
        if instant < self._next_instant:
            return False
        self._next_instant = instant + 1
        return True
