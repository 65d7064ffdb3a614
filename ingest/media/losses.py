"""What was lost or guessed while decoding, counted and put into warnings."""

from __future__ import annotations

from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from ingest.media.clock import FrameClock

_MAX_DEMUX_FAILURES = 16
"""Failures in a row after which the demuxer is taken to have found no way on."""
_MAX_DECODE_FAILURES = 1000
"""Failures in a row: codecs without concealment lose everything up to the next key frame."""

_TOLERATED_S = Fraction(1)
_TOLERATED_PART = Fraction(1, 20)
"""Headers round, and sound may end later than the picture: only more than both is worth a word."""


class Losses:
    """Counts what demuxer, decoder and scaler could not do, and bounds how often in a row."""

    def __init__(self) -> None:
        self._packets = 0
        self._incomplete = 0
        self._breaks = 0
        self._unscaled = 0
        self._concealed = 0
        self._structure_broken = False
        self._first_us: int | None = None
        self._last_us = 0
        self._demux_failures = 0
        self._decode_failures = 0

    @property
    def any(self) -> bool:
        """Whether pictures were lost."""
        return bool(
            self._packets
            or self._incomplete
            or self._breaks
            or self._unscaled
            or self._concealed
            or self._structure_broken
        )

    @property
    def demuxer_gave_up(self) -> bool:
        """Whether the demuxer fails again and again."""
        return self._demux_failures >= _MAX_DEMUX_FAILURES

    @property
    def hopeless(self) -> bool:
        """Whether the decoder fails again and again."""
        return self._decode_failures >= _MAX_DECODE_FAILURES

    def demux_failed(self, at_us: int) -> None:
        """Count a place the demuxer stumbled over."""
        self._breaks += 1
        self._demux_failures += 1
        self._note(at_us)

    def demuxer_went_on(self) -> None:
        """A packet came: earlier failures were not the end."""
        self._demux_failures = 0

    def decode_failed(self, at_us: int) -> None:
        """Count a packet that can't be decoded."""
        self._packets += 1
        self._decode_failures += 1
        self._note(at_us)

    def packet_incomplete(self, at_us: int) -> None:
        """Count a packet of which the demuxer says that a part is missing."""
        self._incomplete += 1
        self._note(at_us)

    def decoder_went_on(self) -> None:
        """A frame came: earlier failures were not the end."""
        self._decode_failures = 0

    def scaling_failed(self, at_us: int) -> None:
        """Count a frame that libswscale can't convert."""
        self._unscaled += 1
        self._note(at_us)

    def picture_incomplete(self, at_us: int) -> None:
        """Count a picture of which the decoder had to make up a part."""
        self._concealed += 1
        self._note(at_us)

    def structure_broken(self) -> None:
        """Take in that the demuxer passed over something that it can't read, nobody knows when."""
        self._structure_broken = True

    def warnings(self, clock: FrameClock) -> list[str]:
        """Return one sentence for each kind of loss and of guessed time."""
        found = []
        if self.any:
            parts = [
                _count(self._packets, "packet that can't be decoded"),
                _count(self._incomplete, "packet with a part missing"),
                _count(self._breaks, "place where the file can't be read"),
                _count(self._concealed, "picture with a part missing"),
                _count(self._unscaled, "picture in a form that can't be converted"),
                "a part of the file that is no video" if self._structure_broken else "",
            ]
            listed = ", ".join(part for part in parts if part)
            places = ""
            if self._first_us is not None:
                first, last = _seconds(self._first_us), _seconds(self._last_us)
                places = f"; the first at {first}, the last at {last}"
            found.append(
                f"media.damaged: {listed}{places}. What could be decoded, from 0.000 s to "
                f"{_seconds(clock.duration_us)}, was analysed."
            )
        if clock.missing:
            frames = _count(clock.missing, "frame")
            found.append(f"media.times_guessed: {frames} without a believable time of their own.")
        if clock.out_of_order:
            frames = _count(clock.out_of_order, "frame")
            found.append(f"media.times_out_of_order: {frames} dated before the one shown earlier.")
        if clock.jumps_back:
            jumps = _count(clock.jumps_back, "time")
            found.append(
                f"media.times_jump_back: {jumps}; what follows is counted on without a gap."
            )
        if clock.jumps_ahead:
            jumps = _count(clock.jumps_ahead, "time")
            found.append(
                f"media.times_jump_ahead: {jumps} by more than is believable; what follows is "
                "counted on without a gap."
            )
        return found

    def _note(self, at_us: int) -> None:
        if self._first_us is None:
            self._first_us = at_us
        self._last_us = max(self._last_us, at_us)


class Reach:
    """How far the packets reach, against how far the header says."""

    file_is_cut_short = False
    """Whether the file ends inside its own structure, whatever its header says of time."""
    is_left_early = False
    """Whether the rest was not asked for: then nothing is missing."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._declared_s = _declared_s(container, stream)
        self._spans: dict[int, tuple[int, int]] = {}
        self._time_bases: dict[int, Fraction] = {}

    def note(self, packet: Packet[Stream]) -> None:
        """Take in one packet's times."""
        start = packet.dts if packet.pts is None else packet.pts
        if start is None:
            return
        end = start + (packet.duration or 0)
        index = packet.stream_index
        if index not in self._spans:
            self._spans[index] = start, end
            self._time_bases[index] = packet.time_base
        first, last = self._spans[index]
        if start < first or end > last:
            self._spans[index] = min(first, start), max(last, end)

    @property
    def falls_short(self) -> bool:
        """Whether the file was cut off, or its header promises clearly more than there is."""
        return not self.is_left_early and (self.file_is_cut_short or self._is_behind)

    @property
    def _is_behind(self) -> bool:
        if self._declared_s is None or not self._spans:
            return False
        bases = self._time_bases
        start_s = min(first * bases[index] for index, (first, _) in self._spans.items())
        end_s = max(last * bases[index] for index, (_, last) in self._spans.items())
        # Some headers count from zero and some from the first timestamp.
        reached_s = max(end_s, end_s - start_s)
        return self._declared_s - reached_s > max(_TOLERATED_S, self._declared_s * _TOLERATED_PART)

    def warnings(self, duration_us: int) -> list[str]:
        """Return the sentence about a file cut short, if it is."""
        if not self.falls_short:
            return []
        promised = (
            f"the header says {float(self._declared_s or 0):.3f} s"
            if self._is_behind
            else "the file was cut off"
        )
        return [
            f"media.truncated: the pictures end at {_seconds(duration_us)}, {promised}; the part "
            f"from 0.000 s to {_seconds(duration_us)} was analysed."
        ]


def _declared_s(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Seconds the header promises: the video's own length, else that of the longest stream."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    return Fraction(container.duration, av.time_base) if container.duration else None


def _seconds(time_us: int) -> str:
    return f"{time_us / 1_000_000:.3f} s"


def _count(number: int, noun: str) -> str:
    if number == 0:
        return ""
    head, _, tail = noun.partition(" ")
    return f"{number} {head}{'' if number == 1 else 's'}{' ' + tail if tail else ''}"
