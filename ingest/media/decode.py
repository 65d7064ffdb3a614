"""Demuxes, decodes and samples one file; runs in the decoding process.

The way of the data: packets (packets.py) -> what of them needs decoding (plan.py, keyframes.py)
-> frames -> when each is shown (clock.py) -> whether it is a sample (strategy.py) -> pictures ->
the wire (sender.py).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import BinaryIO

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ingest.errors import MediaError, NoVideoStream
from ingest.media import wire
from ingest.media.clock import FrameClock
from ingest.media.estimate import estimate, frame_rate
from ingest.media.losses import Losses
from ingest.media.opening import (
    choose_video,
    not_announced,
    nothing_decoded,
    open_container,
)
from ingest.media.packets import PacketDecoder, PacketReader, PassedOver
from ingest.media.picture import PictureMaker, displayed_size
from ingest.media.plan import Planned, VideoPacket
from ingest.media.refusals import too_long, too_many_pixels, too_many_streams
from ingest.media.segment import segment_fault
from ingest.media.sender import Sender, Shown
from ingest.media.signatures import coded_size
from ingest.media.strategy import KeyframeStrategy, choose_sampling
from ingest.media.truncation import is_cut_short
from ingest.media.wire import DecodeRequest

_TICK_INTERVAL_S = 1.0
_MICROSECONDS = 1_000_000
_TRANSPORT_FORMATS = frozenset({"mpegts", "mpeg"})
"""Their clocks have 33 bits, and no header tells how long they are: FFmpeg asks the packets."""
_TRANSPORT_WRAP = 2**33
_MATROSKA = "matroska,webm"
_CODECS_THAT_CONCEAL = frozenset({"mpeg1video", "mpeg2video", "mpeg4"})
"""Their decoders make up what is missing, say so of the picture, and of no whole one."""
_LONG_UNSEEN_US = 30 * _MICROSECONDS
"""Three times what encoders leave between key frames at most, as they are set by default."""


def decode_file(request: DecodeRequest, out: BinaryIO) -> None:
    """Write facts, sampled frames and the summary of one file to `out`.

    Raises the MediaError that says why nothing, or nothing more, can be decoded.
    """
    with open_container(request) as container:
        FileDecoder(request, container, out).run()


class FileDecoder:
    """One pass over one open file, from the first packet to the summary."""

    def __init__(self, request: DecodeRequest, container: InputContainer, out: BinaryIO) -> None:
        self._request = request
        self._container = container
        self._stream = stream = choose_video(container, request)
        self._losses = Losses()
        self._clock = _clock_of(container, stream, request)
        self._packets = PacketReader(container, stream, self._losses, self._clock)
        self._pictures = PictureMaker(request.geometry, stream.sample_aspect_ratio)
        self._coded_aspect = stream.codec_context.sample_aspect_ratio
        self._sender = Sender(request, out, self._pictures, self._losses)
        sampling = choose_sampling(request.sampling, stream, self._clock, self._sender)
        self._plan, self._strategy = sampling.plan, sampling.strategy
        self._keyframes = sampling.keyframes
        self._decoder = PacketDecoder(
            stream, request.limits, self._losses, self._clock, request.sampling
        )
        self._passed = PassedOver()
        self._may_conceal = stream.codec_context.codec.canonical_name in _CODECS_THAT_CONCEAL
        self._oversized: tuple[int, int] | None = None

    def run(self) -> None:
        """Decode to the end and send everything on the way."""
        started_s, started_cpu_s = time.monotonic(), time.process_time()
        for packet in self._packets:
            for planned in self._plan.add(packet):
                self._decode(planned)
            self._tick()
            if self._clock.shown >= (self._request.stop_after or math.inf):
                self._packets.reach.is_left_early = True
                break
        for planned in self._plan.rest():
            self._decode(planned)
        for frame in self._decoder.decode(None, "decode"):
            self._show(frame)
        for pts, duration in self._passed.rest():
            self._pass_over(pts, duration)
        self._strategy.finish()
        self._look_back()
        if self._clock.shown == 0:
            raise self._nothing_shown()
        self._send_summary(
            decode_cpu_s=time.process_time() - started_cpu_s,
            decode_wall_s=time.monotonic() - started_s - self._sender.waited_s,
        )

    def _look_back(self) -> None:
        """Ask what only the whole file tells, and FFmpeg doesn't."""
        name = self._container.format.name
        if name in _TRANSPORT_FORMATS:
            self._packets.others.find_unannounced()
            streams = self._packets.others.streams
            if streams > self._request.limits.max_streams:
                raise too_many_streams(self._request, streams)
        if name == _MATROSKA:
            fault = segment_fault(self._request.descriptor)
            self._packets.reach.file_is_cut_short = fault == "truncated"
            if fault == "damaged":
                self._losses.structure_broken()

    def _decode(self, planned: Planned) -> None:
        packet, treatment = planned
        if self._clock.shown == 0:
            self._note_size(packet)
        if treatment in {"if_needed", "pass"}:
            self._passed.add(packet)
            for pts, duration in self._passed.overdue():
                self._pass_over(pts, duration)
        frames = self._decoder.decode(packet, treatment)
        for frame in frames:
            self._show(frame)
        if treatment == "alone" and self._keyframes is not None:
            self._keyframes.gave(sum(frame.key_frame for frame in frames))

    def _note_size(self, packet: VideoPacket) -> None:
        """Read what a picture says of its own size, of which decoders only say that it is bad."""
        codec = self._stream.codec_context.codec.canonical_name
        width, height = coded_size(codec, bytes(packet)) or (0, 0)
        if width * height > self._request.limits.max_pixels:
            self._oversized = width, height

    def _show(self, frame: VideoFrame) -> None:
        request = self._request
        if frame.width * frame.height > request.limits.max_pixels:
            raise too_many_pixels(request, frame.width, frame.height)
        timestamp = frame.dts if frame.pts is None else frame.pts
        for pts, duration in self._passed.before(timestamp):
            self._pass_over(pts, duration)
        ticks = self._clock.show(timestamp, frame.duration or 0)
        self._check_length()
        self._note_pixel_aspect()
        if self._clock.shown == 1:
            self._send_facts(frame)
        if frame.interlaced_frame:
            self._plan.distrust()
        pts_us = self._clock.microseconds(ticks)
        if self._may_conceal and frame.is_corrupt:
            self._losses.picture_incomplete(pts_us)
        chosen = None if frame.pts is None else self._plan.verdicts.pop(frame.pts, None)
        self._strategy.show(Shown(frame, ticks, pts_us, chosen))

    def _note_pixel_aspect(self) -> None:
        """Follow a change of the pixels' shape; until one comes, the container's word goes first.

        The decoder's word is of the latest packet, some frames ahead of the one shown.
        """
        coded = self._stream.codec_context.sample_aspect_ratio
        if self._clock.shown > 1 and coded and coded != self._coded_aspect:
            self._pictures.pixel_aspect = coded
        self._coded_aspect = coded or self._coded_aspect

    def _pass_over(self, pts: int, duration: int) -> None:
        """Let time go on over a frame that was not decoded."""
        ticks = self._clock.show(pts, duration)
        self._check_length()
        self._plan.verdicts.pop(pts, None)
        exact = self._strategy.exact
        if exact is not None and exact.wants(ticks):
            self._plan.distrust()

    def _check_length(self) -> None:
        if self._clock.duration_us > self._request.limits.max_duration_s * _MICROSECONDS:
            raise too_long(self._request)

    def _tick(self) -> None:
        """Tell the watchdog that there is progress, where no frame has told it lately."""
        if self._sender.idle_s > _TICK_INTERVAL_S:
            self._sender.answer(wire.TICK, {"position_us": self._clock.duration_us})

    def _send_facts(self, frame: VideoFrame) -> None:
        stream = self._stream
        width, height = displayed_size(frame, self._pictures.pixel_aspect)
        reopen = None if self._request.stop_after else self._second_container
        guess = estimate(self._container, stream, reopen)
        frames = None
        if guess.duration_us is not None:
            frames = self._request.sampling.estimated_frames(
                guess.duration_us, guess.keyframes, stream.average_rate
            )
        self._sender.answer(
            wire.FACTS,
            {
                "width": width,
                "height": height,
                "codec": stream.codec_context.codec.canonical_name,
                "container": self._container.format.name,
                "estimated_duration_us": guess.duration_us,
                "estimated_frames": frames,
                "frame_rate": frame_rate(self._container, stream),
            },
        )

    @contextmanager
    def _second_container(self) -> Iterator[InputContainer]:
        """Open the file once more; the position that both containers share is put back."""
        descriptor = self._request.descriptor
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            with open_container(self._request) as second:
                yield second
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)

    def _send_summary(self, decode_cpu_s: float, decode_wall_s: float) -> None:
        reach, others, clock = self._packets.reach, self._packets.others, self._clock
        self._sender.answer(
            wire.SUMMARY,
            {
                "duration_us": clock.duration_us,
                "frames_shown": clock.shown,
                "frames_sampled": self._sender.sampled,
                "decode_cpu_s": decode_cpu_s,
                "decode_wall_s": decode_wall_s,
                "partial": bool(
                    self._losses.any
                    or reach.falls_short
                    or others.take_over
                    or clock.leaps_over_limit
                ),
                "warnings": [
                    *self._losses.warnings(clock),
                    *reach.warnings(clock.duration_us),
                    *others.warnings(),
                    *self._keyframe_warnings(),
                    *self._pictures.notes,
                ],
            },
        )

    def _keyframe_warnings(self) -> list[str]:
        """Say so where keyframe sampling leaves a video unseen, or had to see all of it."""
        if self._keyframes is None or not isinstance(self._strategy, KeyframeStrategy):
            return []
        said = []
        if self._keyframes.flags_lie:
            said.append(
                "media.no_keyframes: packets flagged as key frames gave no picture; everything "
                "was decoded from there on, and a frame every few seconds sampled."
            )
        begin_us, end_us = self._strategy.unseen_us(self._clock.duration_us)
        if end_us - begin_us > _LONG_UNSEEN_US:
            begin_s, end_s = begin_us / _MICROSECONDS, end_us / _MICROSECONDS
            said.append(
                f"media.no_keyframes: none between {begin_s:.3f} s and {end_s:.3f} s, the longest "
                "stretch without; sample with fps to see it."
            )
        return said

    def _nothing_shown(self) -> MediaError:
        if self._oversized is not None:
            return too_many_pixels(self._request, *self._oversized)
        if self._packets.others.take_over:
            return not_announced(self._request)
        if self._losses.any or is_cut_short(self._request.descriptor):
            return nothing_decoded(self._request)
        return NoVideoStream(
            f"{self._request.source}: its video stream holds no pictures.",
            "Name a file with video.",
        )


def _clock_of(container: InputContainer, stream: VideoStream, request: DecodeRequest) -> FrameClock:
    time_base = stream.time_base or Fraction(1, _MICROSECONDS)
    rate, limit = stream.average_rate, int(request.limits.max_duration_s / time_base)
    if container.format.name in _TRANSPORT_FORMATS:
        return FrameClock(time_base, rate, wrap=_TRANSPORT_WRAP, limit=limit)
    header_end = None
    if stream.duration:
        header_end = (stream.start_time or 0) + stream.duration
    elif container.duration:
        end_s = Fraction((container.start_time or 0) + container.duration, _MICROSECONDS)
        header_end = int(end_s / time_base)
    return FrameClock(time_base, rate, header_end=header_end, limit=limit)
