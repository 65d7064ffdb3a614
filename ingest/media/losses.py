"""What was lost or guessed while decoding, counted and put into warnings."""

from __future__ import annotations

from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

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
        self._first_us: int | None = None
        self._demux_failures = 0
        self._decode_failures = 0

    @property
    def any(self) -> bool:
        """Whether pictures were lost."""
        return bool(self._packets or self._incomplete or self._breaks or self._unscaled)

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

    def warnings(self, clock: FrameClock) -> list[str]:
        """Return one sentence for each kind of loss and of guessed time."""
        found = []
        if self.any:
            parts = [
                _count(self._packets, "packet that can't be decoded"),
                _count(self._incomplete, "packet with a part missing"),
                _count(self._breaks, "place where the file can't be read"),
                _count(self._unscaled, "picture in a form that can't be converted"),
            ]
            listed = ", ".join(part for part in parts if part)
            at_s = (self._first_us or 0) / 1_000_000
            found.append(f"media.damaged: {listed}; the first at {at_s:.3f} s.")
        if clock.missing:
            frames = _count(clock.missing, "frame")
            found.append(f"media.times_guessed: {frames} without a time of their own.")
        if clock.out_of_order:
            frames = _count(clock.out_of_order, "frame")
            found.append(f"media.times_out_of_order: {frames} dated before the one shown earlier.")
        if clock.jumps_back:
            jumps = _count(clock.jumps_back, "time")
            found.append(
                f"media.times_jump_back: {jumps}; what follows is counted on without a gap."
            )
        return found

    def _note(self, at_us: int) -> None:
        if self._first_us is None:
            self._first_us = at_us


class Reach:
    """How far the packets of all streams reach, against how far the header says."""

    def __init__(self) -> None:
        self._spans: dict[int, tuple[int, int, Fraction]] = {}

    def note(self, packet: Packet[Stream]) -> None:
        """Take in one packet's times."""
        start = packet.dts if packet.pts is None else packet.pts
        if start is None:
            return
        end = start + (packet.duration or 0)
        first, last, _ = self._spans.get(packet.stream_index, (start, end, Fraction(0)))
        if start < first or end >= last:
            self._spans[packet.stream_index] = (
                min(first, start),
                max(last, end),
                packet.time_base,
            )

    def falls_short(self, container: InputContainer) -> bool:
        """Whether the header promises clearly more than there is."""
        declared_s = _declared_s(container)
        if declared_s is None or not self._spans:
            return False
        start_s = min(first * base for first, _, base in self._spans.values())
        end_s = max(last * base for _, last, base in self._spans.values())
        # Some headers count from zero and some from the first timestamp.
        reached_s = max(end_s, end_s - start_s)
        return declared_s - reached_s > max(_TOLERATED_S, declared_s * _TOLERATED_PART)

    def warnings(self, container: InputContainer, duration_us: int) -> list[str]:
        """Return the sentence about a file cut short, if it is."""
        if not self.falls_short(container):
            return []
        declared_s = float(_declared_s(container) or 0)
        return [
            f"media.truncated: the pictures end at {duration_us / 1_000_000:.3f} s, "
            f"the header says {declared_s:.3f} s."
        ]


def _declared_s(container: InputContainer) -> Fraction | None:
    return Fraction(container.duration, av.time_base) if container.duration else None


def _count(number: int, noun: str) -> str:
    if number == 0:
        return ""
    head, _, tail = noun.partition(" ")
    return f"{number} {head}{'' if number == 1 else 's'}{' ' + tail if tail else ''}"
