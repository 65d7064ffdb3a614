"""Shots: where one ends and the next begins, and the frames that stand for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import av
from av.video.frame import VideoFrame
from PIL import Image

from ingest.media.clock import InstantSampler
from ingest.media.looks import Glancer, contrast, mean_difference
from ingest.media.sender import Sample, Sender, Shown
from ingest.media.slow_change import CALM_US, LASTING_US, SlowChange

_GLANCE_US = 30_000
"""Frames sooner than that after the last one looked at are passed over: of 50 or 60 a second, every
other one. So few are held at a time, whatever the rate."""
_AROUND_US = 240_000
"""How long before and after a change it is compared with what is shown: a flash is over by then."""
_NEAR = 3
"""Frames before and after, within that time, whose changes a cut has to stand out from."""
_MIN_CHANGE = 8.0
"""Mean change of 255 from one frame to the next below which nothing is a cut, .."""
_MIN_SHARE = 0.4
""".. unless it is so large a part of the pictures' own contrast, in the dark or in fog, .."""
_LEAST_CHANGE = 2.0
""".. and more than noise and key frames make."""
_LONE_SHARE = 0.5
"""The part of the contrast that makes a cut where no frame is near enough to compare with."""
_PEAK = 3.0
"""How many times as large as the changes around it a cut is: in pans, shaking and strobing one
change is like the next."""
_STAYS = 0.5
"""What part of a change has to be left some frames later: after a flash it is nothing."""

_MIN_SHOT_US = 500_000
_MIN_PART_US = 240_000
"""Shots in quick succession give no more than about four frames a second."""
_MAX_PART_US = 10_000_000
"""Each picture asked for stands for so long at most: a fixed camera may run for hours."""
_FIRST_SPACING_US = 500_000
_MIN_CANDIDATES = 16
_MAX_TURNS = 16
"""Slow changes after which a part ends early, so that few samples are held."""


@dataclass(frozen=True)
class Glance:
    """A shown frame on its way through the detector."""

    frame: VideoFrame
    pts_us: int
    look: Image.Image
    change: float
    """From the frame before."""


@dataclass(frozen=True)
class Past:
    """What stays known of a frame that has been told of."""

    pts_us: int
    look: Image.Image
    change: float


class CutDetector:
    """Finds hard cuts: changes that stand out from their neighbours and stay.

    Feed it frames; it answers for each when it has seen what follows within `_AROUND_US`.
    """

    def __init__(self) -> None:
        self._past: deque[Past] = deque()
        self._ahead: deque[Glance] = deque()
        self._latest: Image.Image | None = None

    def add(
        self, frame: VideoFrame, pts_us: int, look: Image.Image
    ) -> Iterator[tuple[Glance, bool]]:
        """Take the next frame; yield those told by now and whether a shot begins with them."""
        change = mean_difference(look, self._latest) if self._latest else 0.0
        self._latest = look
        self._ahead.append(Glance(frame, pts_us, look, change))
        while pts_us - self._ahead[0].pts_us >= _AROUND_US:
            yield self._pop()

    def rest(self) -> Iterator[tuple[Glance, bool]]:
        """Yield what is left, with what is known now."""
        while self._ahead:
            yield self._pop()

    def _pop(self) -> tuple[Glance, bool]:
        glance = self._ahead.popleft()
        is_cut = self._is_cut(glance)
        self._past.append(Past(glance.pts_us, glance.look, glance.change))
        while len(self._past) > 1 and glance.pts_us - self._past[0].pts_us > _AROUND_US:
            self._past.popleft()
        return glance, is_cut

    def _is_cut(self, glance: Glance) -> bool:
        if glance.change < _LEAST_CHANGE or not self._past:
            return False
        earlier = [past for past in self._past if glance.pts_us - past.pts_us <= _AROUND_US]
        later = [ahead for ahead in self._ahead if ahead.pts_us - glance.pts_us <= _AROUND_US]
        near = [past.change for past in earlier[-_NEAR:]] + [
            ahead.change for ahead in later[:_NEAR]
        ]
        if glance.change * len(near) < _PEAK * sum(near):
            return False
        before = self._past[-1].look
        most = max(contrast(before), contrast(glance.look))
        enough = min(_MIN_CHANGE, _MIN_SHARE * most) if near else _LONE_SHARE * most
        # Soon after, nothing looks like the frame before; soon before, nothing like this one.
        least = _STAYS * glance.change
        return (
            glance.change >= enough
            and all(mean_difference(before, ahead.look) > least for ahead in later)
            and all(mean_difference(past.look, glance.look) > least for past in earlier)
        )


class Candidates:
    """Samples spread evenly over a shot whose length is not known yet, in bounded number."""

    def __init__(self, wanted: int) -> None:
        self._capacity = max(_MIN_CANDIDATES, 4 * wanted)
        self._spacing_us = max(_FIRST_SPACING_US // wanted, 1)
        self._samples: list[Sample] = []

    def wants(self, pts_us: int) -> bool:
        """Whether the next candidate is due."""
        return not self._samples or pts_us - self._samples[-1].pts_us >= self._spacing_us

    def add(self, sample: Sample) -> None:
        """Keep a candidate; when there are too many, every other one goes."""
        self._samples.append(sample)
        if len(self._samples) > self._capacity:
            self._samples = self._samples[::2]
            self._spacing_us *= 2

    def nearest(self, pts_us: int) -> Sample | None:
        """Return the sample nearest to a time; None where there is none at all."""
        return min(self._samples, key=lambda sample: abs(sample.pts_us - pts_us), default=None)

    def spread(self, number: int, begin_us: int, end_us: int) -> list[Sample]:
        """Return the samples nearest to the middles of that many equal parts, none twice."""
        length_us = end_us - begin_us
        middles = (begin_us + length_us * (2 * i + 1) // (2 * number) for i in range(number))
        found = {s.pts_us: s for middle in middles if (s := self.nearest(middle)) is not None}
        return list(found.values())


@dataclass(frozen=True)
class Turn:
    """A slow change: since when all looks different, and a sample of what it looks like."""

    begin_us: int
    sample: Sample


class ShotStrategy:
    """Samples `per_shot` frames of each shot and sends where shots begin.

    Shots between cuts that are sent last half a second at least; what is shown between cuts in
    quicker succession is sampled all the same. A shot that goes on for more than ten seconds per
    frame is sampled in parts of that length, without a cut between them. Where its picture slowly
    becomes another one and none of its frames shows that, one more does.
    """

    def __init__(self, sender: Sender, per_shot: int) -> None:
        self.exact: InstantSampler | None = None
        self._sender = sender
        self._per_shot = per_shot
        self._part_us = per_shot * _MAX_PART_US
        self._glancer = Glancer()
        self._glanced_us = -_GLANCE_US
        self._detector = CutDetector()
        self._slow_change = SlowChange()
        self._candidates = Candidates(per_shot)
        self._turns: list[Turn] = []
        self._shot_us = 0
        self._begin_us = 0
        self._last_us = 0

    def show(self, shown: Shown) -> None:
        """Take in the next frame."""
        self._last_us = shown.pts_us
        if shown.pts_us - self._glanced_us < _GLANCE_US:
            return
        try:
            look = self._glancer.look(shown.frame)
        except av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            return
        self._glanced_us = shown.pts_us
        for glance, is_cut in self._detector.add(shown.frame, shown.pts_us, look):
            self._tell(glance, is_cut)

    def finish(self) -> None:
        """Send the last shot's frames."""
        for glance, is_cut in self._detector.rest():
            self._tell(glance, is_cut)
        self._end_part(self._last_us)

    def _tell(self, glance: Glance, is_cut: bool) -> None:
        pts_us = glance.pts_us
        if is_cut and pts_us - self._begin_us >= _MIN_PART_US:
            self._end_part(pts_us)
            self._slow_change.restart()
            if pts_us - self._shot_us >= _MIN_SHOT_US:
                self._sender.cut(pts_us)
                self._shot_us = pts_us
        elif pts_us - self._begin_us >= self._part_us or len(self._turns) >= _MAX_TURNS:
            self._end_part(pts_us)
        changed_us = self._slow_change.add(pts_us, glance.look)
        if changed_us is None and not self._candidates.wants(pts_us):
            return
        sample = self._sender.make(glance.frame, pts_us)
        if sample is None:
            return
        if changed_us is not None:
            self._turns.append(Turn(max(changed_us, self._begin_us), sample))
        if self._candidates.wants(pts_us):
            self._candidates.add(sample)

    def _end_part(self, end_us: int) -> None:
        length_us = end_us - self._begin_us
        is_whole = self._begin_us == self._shot_us and length_us >= _MIN_SHOT_US
        number = self._per_shot if is_whole else ceil(self._per_shot * length_us / self._part_us)
        for sample in self._with_turns(max(1, number), end_us):
            self._sender.send(sample)
        self._candidates = Candidates(self._per_shot)
        self._turns = []
        self._begin_us = end_us

    def _with_turns(self, number: int, end_us: int) -> list[Sample]:
        """Return samples spread over the part, and one of each look they don't show, by time."""
        spread = self._candidates.spread(number, self._begin_us, end_us)
        samples = list(spread)
        # A change is under way until it is calm, and before it is clear.
        ends_us = [*(turn.begin_us - CALM_US for turn in self._turns), end_us + 1]
        is_long = ends_us[0] - self._begin_us >= LASTING_US
        if is_long and all(sample.pts_us >= ends_us[0] for sample in spread):
            first = self._candidates.nearest((self._begin_us + ends_us[0]) // 2)
            samples += [first] if first is not None else []
        for turn, turn_end_us in zip(self._turns, ends_us[1:], strict=True):
            calm_us = turn.sample.pts_us - CALM_US
            if not any(calm_us <= sample.pts_us < turn_end_us for sample in spread):
                samples.append(turn.sample)
        return sorted(samples, key=lambda sample: sample.pts_us)
