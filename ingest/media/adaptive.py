"""Adaptive sampling: a frame that looks like the last one embedded needs no embedding."""

from __future__ import annotations

from fractions import Fraction

import av
from av.video.frame import VideoFrame
from PIL import Image

from ingest.media.clock import InstantSampler
from ingest.media.looks import Glancer, blocks, largest_difference
from ingest.media.sender import Sender, Shown

_ALIKE_BLOCK = 8
"""Levels of 255 by which the mean of a 16th by a 9th of the picture may change: heavy grain and
compression move it by up to six, things a third as large as such a block by ten and more."""
_ALIKE_PIXEL = 26
"""Levels by which that of a 64th by a 36th may: grain and compression move it by up to 24 in small
pictures, half as much in larger ones. Things that are thin or smaller than such a block, but stand
out from what they cover, move it by more: of 1920x1080, a bar 12 high that is 80 levels darker, or
a square of 30 by 30 that is 100 lighter. What is smaller or fainter still is found at the floor."""
_MICROSECONDS = 1_000_000


class AdaptiveStrategy:
    """Samples the first frame not before each instant, with pictures only where it looks new.

    Compared is with the last frame sent with pictures, not with the last one looked at, so that
    slow change adds up. After 1 / `floor` seconds there are pictures whatever it looks like.
    """

    def __init__(self, sampler: InstantSampler, floor: Fraction, sender: Sender) -> None:
        self.exact: InstantSampler | None = sampler
        self._sampler = sampler
        self._sender = sender
        self._longest_us = _MICROSECONDS / floor
        self._glancer = Glancer()
        self._embedded: Image.Image | None = None
        self._embedded_us = 0

    def show(self, shown: Shown) -> None:
        """Send the frame if it is the one for an instant."""
        if not self._sampler.takes(shown.ticks):
            return
        frame, pts_us = shown.frame, shown.pts_us
        look = self._look(frame)
        is_new = look is None or self._looks_new(look, pts_us)
        sample = self._sender.make(frame, pts_us, with_squares=is_new)
        if sample is None:
            return
        self._sender.send(sample)
        if is_new:
            self._embedded, self._embedded_us = look, pts_us

    def finish(self) -> None:
        """Nothing is held."""

    def _looks_new(self, look: Image.Image, pts_us: int) -> bool:
        if self._embedded is None or pts_us - self._embedded_us >= self._longest_us:
            return True
        by_pixel = largest_difference(look, self._embedded)
        by_block = largest_difference(blocks(look), blocks(self._embedded))
        return by_pixel > _ALIKE_PIXEL or by_block > _ALIKE_BLOCK

    def _look(self, frame: VideoFrame) -> Image.Image | None:
        try:
            return self._glancer.look(frame)
        except av.FFmpegError:
            return None
