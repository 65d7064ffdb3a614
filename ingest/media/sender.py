"""Makes the pictures of sampled frames and sends them, in order of time and within limits."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from typing import BinaryIO

import av
from av.video.frame import VideoFrame

from ingest.media import wire
from ingest.media.losses import Losses
from ingest.media.picture import PictureMaker
from ingest.media.refusals import too_many_frames
from ingest.media.wire import DecodeRequest


@dataclass(frozen=True)
class Sample:
    """A frame ready to be sent: its time, squares (none: looks like the last) and thumbnail."""

    pts_us: int
    squares: list[bytes]
    thumbnail_jpeg: bytes


@dataclass(frozen=True)
class Shown:
    """A decoded frame, when it is shown, and whether the plan chose it (None: no plan)."""

    frame: VideoFrame
    ticks: int
    pts_us: int
    chosen: bool | None


class Sender:
    """Sends samples and cuts, each kind in order of time, and ticks when little is sent.

    Time spent waiting for whoever takes them is in `waited_s`.
    """

    def __init__(
        self, request: DecodeRequest, out: BinaryIO, pictures: PictureMaker, losses: Losses
    ) -> None:
        self._request = request
        self._out = out
        self._pictures = pictures
        self._losses = losses
        self._last_us = -1
        self._last_cut_us = 0
        self._last_sent_s = time.monotonic()
        self.sampled = 0
        gc.freeze()
        self.waited_s = 0.0

    @property
    def idle_s(self) -> float:
        """Seconds since anything was sent."""
        return time.monotonic() - self._last_sent_s

    def make(self, frame: VideoFrame, pts_us: int, with_squares: bool = True) -> Sample | None:
        """Scale a frame; None, and a loss, where libswscale can't convert it."""
        # A frame asked for its side data and that data hold one another: megabytes, until somebody
        # looks. Looking takes a tenth of a millisecond, for what was there before is frozen.
        gc.collect()
        try:
            squares = self._pictures.squares(frame) if with_squares else []
            return Sample(pts_us, squares, self._pictures.thumbnail(frame))
        except av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            self._losses.scaling_failed(pts_us)
            return None

    def make_and_send(self, shown: Shown) -> None:
        """Send a frame with its pictures."""
        sample = self.make(shown.frame, shown.pts_us)
        if sample is not None:
            self.send(sample)

    def send(self, sample: Sample) -> None:
        """Send a sample, unless it is no later than the one before; raises TooManyFrames."""
        if sample.pts_us <= self._last_us:
            return
        if self.sampled >= self._request.limits.max_frames:
            raise too_many_frames(self._request)
        started_s = time.monotonic()
        wire.write_frame(self._out, sample.pts_us, sample.squares, sample.thumbnail_jpeg)
        self._last_us = sample.pts_us
        self.sampled += 1
        self._sent_since(started_s)

    def cut(self, pts_us: int) -> None:
        """Send when a shot begins, unless it is no later than the one before."""
        if pts_us > self._last_cut_us:
            started_s = time.monotonic()
            wire.write_cut(self._out, pts_us)
            self._last_cut_us = pts_us
            self._sent_since(started_s)

    def answer(self, kind: bytes, fields: dict[str, object]) -> None:
        """Send a message of JSON."""
        wire.write_json(self._out, kind, fields)
        self._last_sent_s = time.monotonic()

    def _sent_since(self, started_s: float) -> None:
        self._last_sent_s = time.monotonic()
        self.waited_s += self._last_sent_s - started_s
