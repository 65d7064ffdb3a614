"""The plan of keyframe sampling: every other packet is dropped before the decoder sees it."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.media.clock import FrameClock
from ingest.media.plan import Planned, VideoPacket
from ingest.media.spec import MIN_KEYFRAME_STEP

_MAX_BARREN = 3
"""Packets flagged as key frames that gave no picture, in a row, until the flags are lies."""


class KeyframePlan:
    """Decodes key frames alone, no closer than half a second apart.

    Until the first frame is shown everything is decoded: where an edit list begins between key
    frames, that frame is none. Everything is decoded too once the flags turn out to be lies.

    The pictures of an open group that are shown before its key frame are stored behind it: the key
    frame is held until they are through, so that frames are shown in order.
    """

    def __init__(self, clock: FrameClock) -> None:
        self._clock = clock
        self._step = int(MIN_KEYFRAME_STEP / clock.time_base)
        self._last: int | None = None
        self._barren = 0
        self._held: VideoPacket | None = None
        self.flags_lie = False
        self.verdicts: dict[int, bool] = {}

    def add(self, packet: VideoPacket) -> Iterator[Planned]:
        """Tell the packet's treatment at once, and a key frame's after those shown before it."""
        if self._held is not None and not self._leads(packet, self._held):
            yield from self.rest()
        if self._clock.shown == 0 or self.flags_lie:
            yield Planned(packet, "decode")
        elif packet.is_keyframe and not self._is_close(packet.pts):
            self._last = packet.pts
            self._held = packet
        else:
            yield Planned(packet, "pass")

    def rest(self) -> Iterator[Planned]:
        """Tell the key frame that is held, if any."""
        held, self._held = self._held, None
        if held is not None:
            yield Planned(held, "alone")

    def distrust(self) -> None:
        """Only barren packets are a reason to distrust the flags."""

    def gave(self, frames: int) -> None:
        """Take in how many key frames came of a packet that was decoded alone."""
        self._barren = 0 if frames else self._barren + 1
        self.flags_lie = self.flags_lie or self._barren >= _MAX_BARREN

    @staticmethod
    def _leads(packet: VideoPacket, held: VideoPacket) -> bool:
        if packet.is_keyframe or packet.pts is None or held.pts is None:
            return False
        return packet.pts < held.pts

    def _is_close(self, pts: int | None) -> bool:
        return pts is not None and self._last is not None and 0 <= pts - self._last < self._step
