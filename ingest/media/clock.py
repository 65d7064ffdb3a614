"""When frames are shown and which of them are sampled; exact integers, no floats."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

_MICROSECONDS = 1_000_000
_DEFAULT_STEP = Fraction(1, 25)
"""Seconds a frame is shown for when neither it, its neighbours nor the header say."""
_SMALL_JUMP = Fraction(1, 5)
"""Seconds: frames out of order by less are noise; by more, another recording begins. Short, for
until the noise is over no frame can be sampled."""
_SHORT_LEAP = Fraction(2)
"""Seconds: a frame that leaps ahead by less, and is followed by those that it leapt over, is
damaged; time stands still until they have caught up."""
_LONG_GAP = Fraction(600)
"""Seconds without a frame that need no proof: a recording of a screen on which nothing moves."""
_TOLERATED = Fraction(10)
"""Seconds by which a proof of a longer gap may be too short."""
_FASTEST_RATE = 1000
"""Frames a second up to which times are believed."""
_MIN_ADVANCE = Fraction(1, 2 * _FASTEST_RATE)
"""Seconds: half a frame at that rate, for times are rounded."""
_FEW_CROWDED = 8
"""Frames in a row that may hardly advance: a burst that some recorders write."""


class FrameClock:
    """Turns the timestamps of shown frames into times that start at 0 and never go back.

    A frame without a timestamp is shown when the one before it ends. A frame slightly before
    its predecessor is given the predecessor's time; a longer jump back is taken for a joined
    recording, which then goes on where the first one ended. So is a jump ahead by more than ten
    minutes, unless something says that it is a gap: the length of the frame before it, or a
    header by which the video goes on after it (`header_end`, a timestamp). Timestamps that start
    again after `wrap` ticks are counted on, which is no jump. Nothing but that header makes a
    video longer than `limit` ticks by a single leap. Frames crowded together, more of them in a
    row than any camera takes, are each shown for the nominal time instead.
    """

    def __init__(
        self,
        time_base: Fraction,
        nominal_rate: Fraction | None,
        wrap: int | None = None,
        header_end: int | None = None,
        limit: int | None = None,
    ) -> None:
        self.time_base = time_base
        us_per_tick = time_base * _MICROSECONDS
        self._us_over, self._us_under = us_per_tick.numerator, us_per_tick.denominator
        step = 1 / nominal_rate if nominal_rate else _DEFAULT_STEP
        if step * _FASTEST_RATE < 1:
            step = _DEFAULT_STEP
        self._nominal_step = self._step = max(1, round(step / time_base))
        self._min_advance = ceil(_MIN_ADVANCE / time_base)
        # Where a tick is long, many frames may rightly share one.
        self._crowd = max(_FEW_CROWDED, int(_FASTEST_RATE * time_base))
        self._crowded = 0
        self._last_timestamp: int | None = None
        self._small_jump = int(_SMALL_JUMP / time_base)
        self._short_leap = int(_SHORT_LEAP / time_base)
        self._before_leap: int | None = None
        self._long_gap = int(_LONG_GAP / time_base)
        self._tolerated = int(_TOLERATED / time_base)
        self._wrap = wrap
        self._header_end = header_end
        self._limit = limit
        self._last = 0
        self._last_duration = 0
        self.offset: int | None = None
        """What has to be added to a timestamp; None before the first frame."""
        self.shown = 0
        self.missing = 0
        self.out_of_order = 0
        self.jumps_back = 0
        self.jumps_ahead = 0
        self.leaps_over_limit = 0

    def show(self, timestamp: int | None, duration: int) -> int:
        """Return the ticks since the first frame at which this frame is shown."""
        self.shown += 1
        if self.offset is None:
            self.offset = -(timestamp or 0)
            self.missing += timestamp is None
            ticks = 0
        elif timestamp is None:
            self.missing += 1
            ticks = self._end()
        elif self._is_crowded(timestamp):
            self.missing += 1
            ticks = self._last + self._nominal_step
            self.offset = ticks - timestamp
        else:
            ticks = self._placed(timestamp)
        if ticks > self._last:
            self._step = ticks - self._last
        self._last = ticks
        self._last_timestamp = timestamp
        self._last_duration = self._believed(duration, timestamp)
        return ticks

    def microseconds(self, ticks: int) -> int:
        """Convert ticks to whole microseconds."""
        # Half up, in integers: Fraction takes microseconds for it, for every frame.
        return (2 * ticks * self._us_over + self._us_under) // (2 * self._us_under)

    @property
    def duration_us(self) -> int:
        """From the first frame to the end of the last one shown so far."""
        return 0 if self.offset is None else self.microseconds(self._end())

    def place_us(self, timestamp: int | None) -> int:
        """About where in the video a packet belongs; not before the first frame."""
        if timestamp is None or self.offset is None:
            return self.duration_us
        return self.microseconds(max(0, timestamp + self.offset))

    @property
    def jumps(self) -> int:
        """How often another recording began."""
        return self.jumps_back + self.jumps_ahead

    def _end(self) -> int:
        return self._last + (self._last_duration or self._step)

    def _placed(self, timestamp: int) -> int:
        assert self.offset is not None
        ticks = timestamp + self.offset
        if self._wrap and abs(ticks + self._wrap - self._last) <= self._long_gap:
            self.offset += self._wrap
            ticks += self._wrap
        if ticks >= self._last:
            if self._is_gap(timestamp, ticks):
                is_leap = ticks - self._last >= self._small_jump
                self._before_leap = self._last if is_leap else None
                return ticks
            self.jumps_ahead += 1
        elif self._last - ticks < self._small_jump or self._was_leapt_over(ticks):
            self.out_of_order += 1
            return self._last
        else:
            self.jumps_back += 1
        self._before_leap = None
        self.offset += self._end() - ticks
        return self._end()

    def _was_leapt_over(self, ticks: int) -> bool:
        before = self._before_leap
        return before is not None and ticks > before > self._last - self._short_leap

    def _is_crowded(self, timestamp: int) -> bool:
        """Whether this frame goes on a run of them longer than is believable.

        It is compared with the timestamp before, not with the time given to that.
        """
        if self._last_timestamp is not None:
            advance = timestamp - self._last_timestamp
            # A larger step back begins another recording.
            stands = -self._small_jump < advance < self._min_advance
            self._crowded = self._crowded + 1 if stands else 0
        return self._crowded >= self._crowd

    def _is_gap(self, timestamp: int, ticks: int) -> bool:
        if self._header_end is not None and timestamp <= self._header_end + self._tolerated:
            return True
        gap = ticks - self._last
        if self._limit is not None and ticks >= self._limit and gap > self._short_leap:
            self.leaps_over_limit += 1
            return False
        return gap <= self._long_gap or ticks - self._end() <= self._tolerated

    def _believed(self, duration: int, timestamp: int | None) -> int:
        """The duration, or 0 where it alone would take the video over the limit."""
        if self._limit is None or self._last + duration < self._limit:
            return duration
        end = None if timestamp is None else timestamp + duration
        if self._header_end is not None and end is not None and end <= self._header_end:
            return duration
        return 0 if duration > self._short_leap else duration


class InstantSampler:
    """Takes the first frame not shown before each instant k / rate, and none twice.

    Half a tick is allowed for: in a time base of a millisecond, the frame meant for 1/3 s says
    333 ms and would otherwise come too early for its instant.
    """

    def __init__(self, rate: Fraction, time_base: Fraction) -> None:
        self._per_tick = rate * time_base
        self._next_instant = 0

    def instants_by(self, ticks: int) -> int:
        """How many instants there are up to that time, half a tick included."""
        per_tick = self._per_tick
        return (2 * ticks + 1) * per_tick.numerator // (2 * per_tick.denominator) + 1

    def wants(self, ticks: int) -> bool:
        """Say whether a frame at that time would be sampled."""
        return self.instants_by(ticks) > self._next_instant

    def takes(self, ticks: int) -> bool:
        """Say whether the frame at that time is sampled; ask once per frame, in order."""
        instants = self.instants_by(ticks)
        if instants <= self._next_instant:
            return False
        self._next_instant = instants
        return True


class NearSampler:
    """Takes for each instant k / rate one frame near it: at most `reach` ticks away, if any is.

    Which one is the plan's choice; without a plan, and where no frame is so near, it is the
    first frame not shown before the instant.
    """

    def __init__(self, rate: Fraction, time_base: Fraction) -> None:
        self._exact = InstantSampler(rate, time_base)
        self._next_instant = 0
        self.step = 1 / (rate * time_base)
        self.reach = min(self.step, 1 / time_base) / 2
        """Half a step, and never more than half a second."""

    def takes(self, ticks: int, chosen: bool | None) -> bool:
        """Say whether the frame is sampled; `chosen` is None where nothing was planned."""
        if chosen:
            instants = (ticks + self.reach) // self.step + 1
        else:
            overdue = ticks if chosen is None else ticks - int(self.reach) - 1
            if self._exact.instants_by(overdue) <= self._next_instant:
                return False
            instants = self._exact.instants_by(ticks)
        if instants <= self._next_instant:
            return False
        self._next_instant = int(instants)
        return True
