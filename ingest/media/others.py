"""Video streams beside the one that is looked at; runs in the decoding process."""

from __future__ import annotations

import re
from collections import Counter

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

_NO_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails
_LATE_PACKETS = 25
"""What begins after so many packets of ours was not there from the start."""
_ALONE_PACKETS = 25
"""Packets in a row, none of ours among them, that are more than interleaving."""
_LISTED = re.compile(r"^ *Stream #0:(\d+).*?: (\w+): ", re.MULTILINE)


class OtherVideos:
    """Counts what further video streams hold, and sees whether one takes over from ours.

    A stream of a single packet is a still picture of something, no video.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container = container
        self._known = {
            other.index
            for other in container.streams.video
            if other is not stream and not other.disposition & _NO_VIDEO
        }
        self._ours = 0
        self._packets: Counter[int] = Counter()
        self._since_ours: Counter[int] = Counter()
        self._late: set[int] = set()
        self._took_over = False
        self._unannounced = 0
        self.streams = len(container.streams)
        """Of any kind, the unannounced included once they were looked for."""

    def __contains__(self, stream: Stream) -> bool:
        return stream.index in self._known

    def note_ours(self) -> None:
        """Take in a packet of the video that is looked at."""
        self._ours += 1
        self._since_ours.clear()

    def note(self, packet: Packet[Stream]) -> None:
        """Take in a packet of another stream."""
        index = packet.stream_index
        if index not in self._known or packet.size == 0:
            return
        if index not in self._packets and self._ours >= _LATE_PACKETS:
            self._late.add(index)
        self._packets[index] += 1
        self._since_ours[index] += 1
        if index in self._late and self._since_ours[index] >= _ALONE_PACKETS:
            self._took_over = True

    def find_unannounced(self) -> None:
        """Look for streams that FFmpeg met on its way, of which PyAV gives no packet.

        Only FFmpeg's own list shows them. Ask when no decoder is at work: with that list, PyAV
        would write what a decoder's threads say, and need for it what the caller holds.
        """
        av.logging.set_level(av.logging.INFO)
        try:
            listed: str = self._container.dumps_format()  # type: ignore[attr-defined]
        finally:
            av.logging.set_level(None)
        first = len(self._container.streams)
        kinds = {int(index): kind for index, kind in _LISTED.findall(listed) if int(index) >= first}
        self.streams = first + len(kinds)
        self._unannounced = sum(kind == "Video" for kind in kinds.values())

    @property
    def take_over(self) -> bool:
        """Whether a stream that was not there from the start goes on where ours pauses or ends."""
        return self._took_over or self._unannounced > 0

    def warnings(self) -> list[str]:
        """Return the sentence about them, if there are any."""
        count = sum(packets > 1 for packets in self._packets.values()) + self._unannounced
        if count == 0:
            return []
        streams = "1 further video stream" if count == 1 else f"{count} further video streams"
        later = " What begins later and goes on there is missing." if self.take_over else ""
        return [f"media.other_streams: {streams} not looked at.{later}"]
