"""Which packets need not be decoded, known from packets alone; runs in the decoding process.

A packet is held back until decoding time has passed its showing: then every frame that is shown
before it is known, and with it whether an instant falls to it. Frames that no instant and no
other frame needs are left to the decoder to drop, which changes no pixel of the others. Where
times or codec leave a doubt, everything is decoded.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Literal, NamedTuple, Protocol, TypeAlias

from av.packet import Packet
from av.video.stream import VideoStream

from ingest.media.clock import FrameClock, InstantSampler, NearSampler
from ingest.media.layers import has_sublayers

Treatment = Literal["decode", "if_needed", "alone", "pass"]
"""Decode it; only if other frames need it; as a picture that needs no other; or not at all."""

VideoPacket: TypeAlias = "Packet[VideoStream]"

_EXACTLY_SKIPPED = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4"})
"""Codecs whose decoders drop frames that no other needs when told so for one packet."""
_PROGRESSIVE = 1
"""Of FFmpeg's field orders; 0 is unknown, the others are interlaced."""
_SETTLING_PACKETS = 64
"""Decoded in full after anything odd: more than any decoder holds back, so what is shown then,
and the clock's offset with it, belongs to what came after the oddity."""
_MAX_HELD = 256
_MAX_HELD_BYTES = 16 * 1024**2
_REMEMBERED = 512
_LONG_GAP_S = 300
"""The clock may take a longer gap for a joined recording."""


class Planned(NamedTuple):
    """A packet and what is to be done with it."""

    packet: VideoPacket
    treatment: Treatment


class Plan(Protocol):
    """Says packet by packet, in decoding order, what is to be decoded."""

    verdicts: dict[int, bool]
    """By timestamp, whether a frame was chosen; none where nothing was planned."""

    def add(self, packet: VideoPacket) -> Iterator[Planned]:
        """Take the next packet and yield those that can be told by now."""

    def rest(self) -> Iterator[Planned]:
        """Yield the packets still held at the end."""

    def distrust(self) -> None:
        """Frames came otherwise than planned: decode everything for a while."""


@dataclass
class Known:
    """Frames around the one asked about: when they are shown, rising, and as the clock has it."""

    times: list[int]
    anchors: list[int]
    """Those shown after all that are decoded before them."""
    offset: int = 0
    planned_from: int | None = None
    """Those shown before this were decoded without a plan; None before there is one."""


class Choice(Protocol):
    """The rule by which a planned frame is needed."""

    lookahead: int
    """Ticks after its own showing up to which packets have to be known."""

    def needs(self, pts: int, known: Known) -> bool:
        """Say whether the frame at `pts`, one of those known, is needed."""


class DecodeAll:
    """The plan that leaves nothing out."""

    def __init__(self) -> None:
        self.verdicts: dict[int, bool] = {}

    def add(self, packet: VideoPacket) -> Iterator[Planned]:
        """Decode it."""
        yield Planned(packet, "decode")

    def rest(self) -> Iterator[Planned]:
        """Nothing is held."""
        yield from ()

    def distrust(self) -> None:
        """Nothing was trusted."""


class FirstNotBefore:
    """Needs the first frame that is not shown before an instant: what InstantSampler takes."""

    lookahead = 0

    def __init__(self, sampler: InstantSampler) -> None:
        self._sampler = sampler

    def needs(self, pts: int, known: Known) -> bool:
        """Say whether an instant lies after the frame before, and not after this one."""
        at = bisect_left(known.times, pts)
        if at == 0:
            return True
        count = self._sampler.instants_by
        return count(pts + known.offset) > count(known.times[at - 1] + known.offset)


class NearestAnchor:
    """Needs one frame near each instant, an anchor if there is one.

    Others usually need the anchors, so that they cost nothing more.
    """

    def __init__(self, sampler: NearSampler) -> None:
        self._step, self._reach = sampler.step, sampler.reach
        self.lookahead = int(2 * sampler.reach) + 1

    def needs(self, pts: int, known: Known) -> bool:
        """Say whether the frame is the one for the instant before it or the one after."""
        before = (pts + known.offset) // self._step
        return any(
            self._chosen(instant * self._step - known.offset, known) == pts
            for instant in (before, before + 1)
        )

    def _chosen(self, instant: Fraction, known: Known) -> int | None:
        at, not_before = 0, ceil(instant)
        for candidates in (known.anchors, known.times):
            first = bisect_left(
                candidates, known.times[0] if known.planned_from is None else known.planned_from
            )
            at = bisect_left(candidates, not_before, first)
            around = candidates[max(first, at - 1) : at + 1]
            near = min(around, key=lambda t: abs(t - instant), default=None)
            if near is not None and abs(near - instant) <= self._reach:
                return near
        return known.times[at] if at < len(known.times) else None


class InstantPlan:
    """Lets the decoder drop what no instant needs, as long as the packets' times can be trusted.

    Trusted are times that are all there, distinct, rising in decoding order, and that the clock
    took as they are. Packets flagged as damaged or as not to be shown (edit lists), gaps of
    minutes, and HEVC in temporal layers, where dropping is not exact, end the trust too.
    """

    def __init__(self, stream: VideoStream, clock: FrameClock, choice: Choice) -> None:
        self._clock = clock
        self._choice = choice
        self._is_hevc = stream.codec_context.name == "hevc"
        self._extradata = bytes(stream.codec_context.extradata or b"")
        self._long_gap = int(_LONG_GAP_S / clock.time_base)
        self._held: deque[VideoPacket] = deque()
        self._held_bytes = 0
        self._frames = Known([], [])
        self._newest_dts: int | None = None
        self._settling = _SETTLING_PACKETS
        self._troubles = self._clock_troubles()
        self.verdicts: dict[int, bool] = {}

    def add(self, packet: VideoPacket) -> Iterator[Planned]:
        """Take the next packet and yield those whose neighbours are all known by now."""
        if self._is_odd(packet) or self._clock_troubles() != self._troubles:
            while self._held:
                yield Planned(self._release(), "decode")
            self.distrust()
            self._frames = Known([], [])
            self._newest_dts = packet.dts
            yield Planned(packet, "decode")
            return
        assert packet.pts is not None
        self._remember(packet.pts)
        self._newest_dts = packet.dts
        self._held.append(packet)
        self._held_bytes += packet.size
        yield from self._known()

    def rest(self) -> Iterator[Planned]:
        """Yield all held packets: at the end, nothing unknown can come before them."""
        if self._held and self._held[-1].pts is not None:
            self._newest_dts = self._frames.times[-1] + self._choice.lookahead
        yield from self._known()

    def distrust(self) -> None:
        """Decode everything until a number of packets in a row had nothing odd."""
        self._frames.planned_from = None
        self._settling = _SETTLING_PACKETS
        self._troubles = self._clock_troubles()

    def _known(self) -> Iterator[Planned]:
        while self._held:
            packet = self._held[0]
            pts = packet.pts
            assert pts is not None
            assert self._newest_dts is not None
            if self._settling or self._clock.offset is None:
                self._settling = max(0, self._settling - 1)
                yield Planned(self._release(), "decode")
            elif pts + self._choice.lookahead <= self._newest_dts:
                yield self._planned(self._release(), pts, self._clock.offset)
            elif len(self._held) > _MAX_HELD or self._held_bytes > _MAX_HELD_BYTES:
                yield Planned(self._release(), "decode")
            else:
                return

    def _release(self) -> VideoPacket:
        packet = self._held.popleft()
        self._held_bytes -= packet.size
        return packet

    def _planned(self, packet: VideoPacket, pts: int, offset: int) -> Planned:
        self._frames.offset = offset
        if self._frames.planned_from is None:
            held = [other.pts for other in self._held if other.pts is not None]
            self._frames.planned_from = min([pts, *held])
        needed = self._choice.needs(pts, self._frames)
        self.verdicts[pts] = needed
        return Planned(packet, "decode" if needed else "if_needed")

    def _remember(self, pts: int) -> None:
        times, anchors = self._frames.times, self._frames.anchors
        if not times or pts > times[-1]:
            anchors.append(pts)
        insort(times, pts)
        for remembered in (times, anchors):
            if len(remembered) > 2 * _REMEMBERED:
                del remembered[:_REMEMBERED]
        if len(self.verdicts) > 2 * _REMEMBERED:
            self.verdicts.clear()

    def _is_odd(self, packet: VideoPacket) -> bool:
        pts, dts, newest = packet.pts, packet.dts, self._newest_dts
        if pts is None or dts is None or pts < dts or packet.is_discard or packet.is_corrupt:
            return True
        if newest is not None and not newest < dts < newest + self._long_gap:
            return True
        times = self._frames.times
        at = bisect_left(times, pts)
        if at < len(times) and times[at] == pts:
            return True
        return self._is_hevc and has_sublayers(memoryview(packet), self._extradata)

    def _clock_troubles(self) -> tuple[int, int, int]:
        return self._clock.jumps, self._clock.missing, self._clock.out_of_order


def can_skip_exactly(stream: VideoStream) -> bool:
    """Whether the decoder drops exactly the frames that no other needs, when asked to.

    Not for interlaced video, whose packets may hold one field each.
    """
    codec = stream.codec_context
    return codec.codec.canonical_name in _EXACTLY_SKIPPED and codec.field_order <= _PROGRESSIVE
