"""Shots: where one ends and the next begins, and the frames that stand for each."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil

import av
from av.video.frame import VideoFrame
from PIL import Image

from ingest.media.clock import InstantSampler
from ingest.media.looks import Glancer, mean_difference
from ingest.media.sender import Sample, Sender, Shown

_AROUND = 6
"""Frames before and after a change that it is compared with: a flash is over by then."""
_NEAR = 3
"""Frames before and after whose changes a cut has to stand out from."""
_MIN_CHANGE = 8.0
"""Mean change of 255 from one frame to the next below which nothing is a cut."""
_PEAK = 3.0
"""How many times as large as the changes around it a cut is: in pans, shaking and strobing one
change is like the next."""
_STAYS = 0.5
"""What part of a change has to be left some frames later: after a flash it is nothing."""
_MIN_SHOT_US = 500_000
_MAX_PART_US = 10_000_000
"""Each picture asked for stands for so long at most: a fixed camera may run for hours."""
_FIRST_SPACING_US = 500_000
_MIN_CANDIDATES = 16


@dataclass(frozen=True)
class Glance:
    """A shown frame on its way through the detector."""

    frame: VideoFrame
    pts_us: int
    look: Image.Image
    change: float
    """From the frame before."""


class CutDetector:
    """Finds hard cuts: changes that stand out from their neighbours and stay.

    Feed it every frame; it answers for the one `_AROUND` frames earlier.
    """

    def __init__(self) -> None:
        self._past_looks: deque[Image.Image] = deque(maxlen=_AROUND)
        self._past_changes: deque[float] = deque(maxlen=_NEAR)
        self._ahead: deque[Glance] = deque()
        self._latest: Image.Image | None = None

    def add(self, frame: VideoFrame, pts_us: int, look: Image.Image) -> tuple[Glance, bool] | None:
        """Take the next frame; return the frame told by now and whether a shot begins with it."""
        change = mean_difference(look, self._latest) if self._latest else 0.0
        self._latest = look
        self._ahead.append(Glance(frame, pts_us, look, change))
        return self.pop() if len(self._ahead) > _AROUND else None

    def pop(self) -> tuple[Glance, bool] | None:
        """Return the next frame with what is known now; None when all are told."""
        if not self._ahead:
            return None
        glance = self._ahead.popleft()
        is_cut = self._stands_out(glance.change) and self._stays(glance)
        self._past_looks.append(glance.look)
        self._past_changes.append(glance.change)
        return glance, is_cut

    def _stands_out(self, change: float) -> bool:
        if change < _MIN_CHANGE:
            return False
        around = [*self._past_changes, *(later.change for later in list(self._ahead)[:_NEAR])]
        return change * len(around) >= _PEAK * sum(around)

    def _stays(self, glance: Glance) -> bool:
        """Whether no frame soon after looks like the one before, nor this like any soon before."""
        least = _STAYS * glance.change
        before = self._past_looks[-1]
        return all(mean_difference(before, later.look) > least for later in self._ahead) and all(
            mean_difference(past, glance.look) > least for past in self._past_looks
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

    def spread(self, number: int, begin_us: int, end_us: int) -> list[Sample]:
        """Return the samples nearest to the middles of that many equal parts, none twice."""
        length_us = end_us - begin_us
        middles = [begin_us + length_us * (2 * i + 1) // (2 * number) for i in range(number)]
        nearest = {
            min(self._samples, key=lambda s: abs(s.pts_us - middle)).pts_us
            for middle in middles
            if self._samples
        }
        return [sample for sample in self._samples if sample.pts_us in nearest]


class ShotStrategy:
    """Samples `per_shot` frames of each shot and sends where shots begin.

    Shots are half a second long at least. One that goes on for more than ten seconds per frame
    is sampled in parts of that length, without a cut between them.
    """

    def __init__(self, sender: Sender, per_shot: int) -> None:
        self.exact: InstantSampler | None = None
        self._sender = sender
        self._per_shot = per_shot
        self._part_us = per_shot * _MAX_PART_US
        self._glancer = Glancer()
        self._detector = CutDetector()
        self._candidates = Candidates(per_shot)
        self._shot_us = 0
        self._begin_us = 0
        self._last_us = 0

    def show(self, shown: Shown) -> None:
        """Take in the next frame."""
        try:
            look = self._glancer.look(shown.frame)
        except av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            return
        told = self._detector.add(shown.frame, shown.pts_us, look)
        if told is not None:
            self._tell(*told)

    def finish(self) -> None:
        """Send the last shot's frames."""
        while (told := self._detector.pop()) is not None:
            self._tell(*told)
        self._end_part(self._last_us)

    def _tell(self, glance: Glance, is_cut: bool) -> None:
        pts_us = glance.pts_us
        if is_cut and pts_us - self._shot_us >= _MIN_SHOT_US:
            self._end_part(pts_us)
            self._sender.cut(pts_us)
            self._shot_us = pts_us
        elif pts_us - self._begin_us >= self._part_us:
            self._end_part(pts_us)
        if self._candidates.wants(pts_us):
            sample = self._sender.make(glance.frame, pts_us)
            if sample is not None:
                self._candidates.add(sample)
        self._last_us = pts_us

    def _end_part(self, end_us: int) -> None:
        length_us = end_us - self._begin_us
        is_rest = self._begin_us > self._shot_us
        number = ceil(self._per_shot * length_us / self._part_us) if is_rest else self._per_shot
        for sample in self._candidates.spread(max(1, number), self._begin_us, end_us):
            self._sender.send(sample)
        self._candidates = Candidates(self._per_shot)
        self._begin_us = end_us
