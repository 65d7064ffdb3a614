"""Demuxes, decodes and samples one file; runs in the decoding process.

Packets are decoded one by one, each in its own try: a damaged packet costs its frames and not
the rest of the file.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ingest.errors import MediaUnreadable, NoVideoStream
from ingest.media import wire
from ingest.media.clock import FrameClock, InstantSampler
from ingest.media.losses import Losses, Reach
from ingest.media.opening import TAKEN, choose_video, open_container, too_many_pixels
from ingest.media.picture import PictureMaker, displayed_size
from ingest.media.wire import DecodeRequest

_TICK_INTERVAL_S = 1.0
_MICROSECONDS = 1_000_000
_BYTES_PER_PIXEL = 3
"""What a decoded picture takes: 8 bits in full chroma, or 10 to 16 bits in a quarter of it."""
_LONGEST_BELIEVED_US = 30 * 24 * 3600 * _MICROSECONDS
"""A month: headers that say more are damaged, and no estimate is made from them."""


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
        self._out = out
        self._stream = choose_video(container, request)
        self._stream.codec_context.thread_count = request.limits.threads
        self._stream.codec_context.thread_type = "AUTO"
        time_base = self._stream.time_base or Fraction(1, _MICROSECONDS)
        self._clock = FrameClock(time_base, self._stream.average_rate)
        self._sampler = InstantSampler(request.sampling.rate or Fraction(1), time_base)
        self._pictures = PictureMaker(request.geometry, self._stream.sample_aspect_ratio)
        self._losses = Losses()
        self._reach = Reach()
        self._shown = 0
        self._sampled = 0
        self._last_sent_s = time.monotonic()
        self._waited_s = 0.0

    def run(self) -> None:
        """Decode to the end and send everything on the way."""
        started_s, started_cpu_s = time.monotonic(), time.process_time()
        for frame in self._frames():
            self._show(frame)
        if self._shown == 0:
            raise self._nothing_shown()
        warnings = self._losses.warnings(self._clock) + self._reach.warnings(
            self._container, self._clock.duration_us
        )
        partial = self._losses.any or self._reach.falls_short(self._container)
        wire.write_json(
            self._out,
            wire.SUMMARY,
            {
                "duration_us": self._clock.duration_us,
                "frames_shown": self._shown,
                "frames_sampled": self._sampled,
                "decode_cpu_s": time.process_time() - started_cpu_s,
                "decode_wall_s": time.monotonic() - started_s - self._waited_s,
                "partial": partial,
                "warnings": warnings,
            },
        )

    def _frames(self) -> Iterator[VideoFrame]:
        """Yield decoded frames in the order they are shown."""
        for packet in self._packets():
            self._reach.note(packet)
            # An empty packet would put the decoder into its final state before the end.
            if packet.stream is self._stream and packet.size > 0:
                if packet.is_corrupt:
                    self._losses.packet_incomplete(self._clock.duration_us)
                yield from self._decoded(packet)
            if self._losses.hopeless:
                return
            self._tick()
        yield from self._decoded(None)

    def _packets(self) -> Iterator[Packet[Stream]]:
        """Yield packets, going on after a damaged place as long as the demuxer can."""
        while not self._losses.demuxer_gave_up:
            try:
                for packet in self._container.demux():
                    self._losses.demuxer_went_on()
                    yield packet
                return
            except av.FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
                self._losses.demux_failed(self._clock.duration_us)

    def _decoded(self, packet: Packet[VideoStream] | Packet[Stream] | None) -> list[VideoFrame]:
        try:
            frames = self._stream.codec_context.decode(packet)
        except av.FFmpegError as error:
            # Some decoders call it invalid data when a picture can't be allocated.
            codec = self._stream.codec_context
            picture_bytes = codec.width * codec.height * _BYTES_PER_PIXEL
            if not self._request.limits.leave_room_for(picture_bytes):
                raise MemoryError from error
            self._losses.decode_failed(self._clock.duration_us)
            return []
        if frames:
            self._losses.decoder_went_on()
        return frames

    def _show(self, frame: VideoFrame) -> None:
        request = self._request
        if frame.width * frame.height > request.limits.max_pixels:
            raise too_many_pixels(request, frame.width, frame.height)
        timestamp = frame.dts if frame.pts is None else frame.pts
        ticks = self._clock.show(timestamp, frame.duration or 0)
        if self._shown == 0:
            self._send_facts(frame)
        self._shown += 1
        if self._sampler.takes(ticks):
            self._send_frame(frame, self._clock.microseconds(ticks))

    def _tick(self) -> None:
        """Tell the watchdog that there is progress, where no frame has told it lately."""
        if time.monotonic() - self._last_sent_s > _TICK_INTERVAL_S:
            wire.write_json(self._out, wire.TICK, {"position_us": self._clock.duration_us})
            self._last_sent_s = time.monotonic()

    def _send_facts(self, frame: VideoFrame) -> None:
        width, height = displayed_size(frame, self._stream.sample_aspect_ratio)
        duration_us = self._header_duration_us()
        estimate = self._request.sampling.estimated_frames(duration_us) if duration_us else None
        wire.write_json(
            self._out,
            wire.FACTS,
            {
                "width": width,
                "height": height,
                "codec": self._stream.codec_context.codec.canonical_name,
                "container": self._container.format.name,
                "estimated_duration_us": duration_us,
                "estimated_frames": estimate,
            },
        )
        self._last_sent_s = time.monotonic()

    def _send_frame(self, frame: VideoFrame, pts_us: int) -> None:
        try:
            pictures = self._pictures.squares(frame)
            thumbnail = self._pictures.thumbnail(frame)
        except av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            self._losses.scaling_failed(pts_us)
            return
        ready_s = time.monotonic()
        wire.write_frame(self._out, pts_us, pictures, thumbnail)
        self._sampled += 1
        self._last_sent_s = time.monotonic()
        self._waited_s += self._last_sent_s - ready_s

    def _header_duration_us(self) -> int | None:
        stream = self._stream
        if stream.duration and stream.time_base:
            duration_us = round(stream.duration * stream.time_base * _MICROSECONDS)
        else:
            duration_us = self._container.duration or 0
        return duration_us if 0 < duration_us < _LONGEST_BELIEVED_US else None

    def _nothing_shown(self) -> MediaUnreadable | NoVideoStream:
        if self._losses.any:
            return MediaUnreadable(
                f"{self._request.source}: none of its pictures can be decoded; the file is "
                "damaged.",
                TAKEN,
            )
        return NoVideoStream(
            f"{self._request.source}: its video stream holds no pictures.",
            "Name a file with video.",
        )
