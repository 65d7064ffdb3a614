"""Reads a file's packets and decodes them, each in its own try; in the decoding process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heappop, heappush
from typing import Literal, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ingest.media.alpha import decoder_of
from ingest.media.clock import FrameClock
from ingest.media.limits import DecodeLimits
from ingest.media.losses import Losses, Reach
from ingest.media.others import OtherVideos
from ingest.media.plan import Treatment, VideoPacket
from ingest.media.spec import SamplingSpec

_BYTES_PER_PIXEL = 3
"""What a decoded picture takes: 8 bits in full chroma, or 10 to 16 bits in a quarter of it."""
_MAX_PASSED = 4096
Skipped = Literal["DEFAULT", "NONREF", "NONKEY"]
_WITHOUT_LOOP_FILTER = {"skip_loop_filter": "all"}
_SKIPPED: Mapping[Treatment, Skipped] = {
    "decode": "DEFAULT",
    "if_needed": "NONREF",
    "alone": "NONKEY",
}


class PacketReader:
    """Yields the packets of one video, going on after a damaged place as long as that helps."""

    def __init__(
        self, container: InputContainer, stream: VideoStream, losses: Losses, clock: FrameClock
    ) -> None:
        self._container = container
        self._stream = stream
        self._losses = losses
        self._clock = clock
        self.reach = Reach(container, stream)
        self.others = OtherVideos(container, stream)
        # Where the header tells the video's own length, nobody asks how far the sound reaches.
        self._ours_only = bool(stream.duration)
        if self._ours_only:
            for other in container.streams:
                if other is not stream and other not in self.others:
                    other.discard = Discard.all

    def __iter__(self) -> Iterator[VideoPacket]:
        latest: int | None = None
        while not self._losses.demuxer_gave_up:
            try:
                for packet in self._demuxed():
                    self._losses.demuxer_went_on()
                    self._note(packet)
                    # An empty packet would put the decoder into its final state before the end.
                    if packet.stream is self._stream and packet.size > 0:
                        latest = packet.dts
                        if packet.is_corrupt:
                            self._losses.packet_incomplete(self._clock.place_us(packet.pts))
                        yield cast("VideoPacket", packet)
                    if self._losses.hopeless:
                        return
                return
            except av.FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
                self._losses.demux_failed(self._clock.place_us(latest))

    def _note(self, packet: Packet[Stream]) -> None:
        is_ours = packet.stream is self._stream
        if is_ours:
            self.others.note_ours()
        else:
            self.others.note(packet)
        if is_ours or not self._ours_only:
            self.reach.note(packet)

    def _demuxed(self) -> Iterator[Packet[Stream]]:
        try:
            yield from self._container.demux()
        except IndexError:
            # PyAV ends with an empty packet for each stream, and stumbles over those that FFmpeg
            # found on the way. All others were given by then.
            return


class PacketDecoder:
    """Decodes packets as planned."""

    def __init__(
        self,
        stream: VideoStream,
        limits: DecodeLimits,
        losses: Losses,
        clock: FrameClock,
        sampling: SamplingSpec,
    ) -> None:
        self._codec = decoder_of(stream, limits, sampling)
        self._limits = limits
        self._losses = losses
        self._clock = clock
        self._is_empty = True
        self._codec.thread_count = limits.threads
        self._codec.thread_type = "AUTO"
        if sampling.fast:
            self._codec.options = {**self._codec.options, **_WITHOUT_LOOP_FILTER}

    def decode(self, packet: VideoPacket | None, treatment: Treatment) -> list[VideoFrame]:
        """Return the frames that are ready after this packet, or at the end (None)."""
        if treatment == "pass":
            return []
        # What waits in the decoder would otherwise come in between, in an order of its own.
        frames = self._drained() if treatment == "alone" and not self._is_empty else []
        wanted = _SKIPPED[treatment]
        if self._codec.skip_frame != wanted:
            self._codec.skip_frame = wanted
        frames += self._decoded(packet)
        self._is_empty = False
        return frames + self._drained() if treatment == "alone" else frames

    def _drained(self) -> list[VideoFrame]:
        frames = self._decoded(None)
        self._codec.flush_buffers()
        self._is_empty = True
        return frames

    def _decoded(self, packet: VideoPacket | None) -> list[VideoFrame]:
        try:
            frames = self._codec.decode(packet)
        except av.FFmpegError as error:
            # Some decoders call it invalid data when a picture can't be allocated.
            picture_bytes = self._codec.width * self._codec.height * _BYTES_PER_PIXEL
            if not self._limits.leave_room_for(picture_bytes):
                raise MemoryError from error
            at = self._clock.place_us(packet.pts if packet else None)
            self._losses.decode_failed(at)
            return []
        if frames:
            self._losses.decoder_went_on()
        return frames


class PassedOver:
    """Frames that may not come out of the decoder, so that time goes on over them all the same."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int]] = []
        self._latest: int | None = None

    def add(self, packet: VideoPacket) -> None:
        """Take in a packet that was passed over, or may be by the decoder."""
        if packet.pts is not None and not packet.is_discard:
            heappush(self._waiting, (packet.pts, packet.duration or 0))

    def before(self, pts: int | None) -> Iterator[tuple[int, int]]:
        """Yield times and durations of those shown before a frame that did come.

        A frame before the latest one begins another recording: all that wait are of the one
        before.
        """
        if pts is None or (self._latest is not None and pts < self._latest):
            yield from self.rest()
        else:
            while self._waiting and self._waiting[0][0] < pts:
                yield heappop(self._waiting)
            if self._waiting and self._waiting[0][0] == pts:
                heappop(self._waiting)
        self._latest = pts

    def overdue(self) -> Iterator[tuple[int, int]]:
        """Yield the earliest where more wait than can be out of order."""
        while len(self._waiting) > _MAX_PASSED:
            yield heappop(self._waiting)

    def rest(self) -> Iterator[tuple[int, int]]:
        """Yield all that wait."""
        while self._waiting:
            yield heappop(self._waiting)
