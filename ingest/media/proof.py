"""Proves on the file itself that no anchor needs a B-frame; runs in the decoding process.

H.264 lets encoders refer to B-frames from anywhere. Most don't where frames are chosen for speed,
and then two frames of three need not be decoded at all; where they do, leaving B-frames out ruins
what follows. No header tells. So a stretch is decoded twice, once without B-frames: if all anchors
come out the same, byte for byte, B-frames may be left out until the next trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter

from ingest.media.plan import VideoPacket

_TRIAL_PACKETS = 64
"""Some sixteen anchors, each after B-frames that it might refer to."""
_FOLLOWING_PACKETS = 40
"""More than a decoder with threads holds back."""
_NEXT_TRIAL_PACKETS = 4096
"""After about two minutes somebody else's recording may have begun."""
_NEXT_TRY_PACKETS = 256
_ENOUGH_ANCHORS = 6
_ENOUGH_MOVING = 4
"""Anchors that show something else than the one before: stills look the same whatever is lost."""
_MOVED_LEVELS = 1.0
_WIDTH, _HEIGHT = 160, 90


class AnchorProof:
    """One trial after the other, each from a key frame on.

    `may_drop` says whether B-frames may be left out now, `is_trying` that everything has to be
    decoded meanwhile.
    """

    def __init__(self, codec: VideoCodecContext, options: Mapping[str, str]) -> None:
        self._codec = codec
        self._options = dict(options)
        self._scaler = VideoReformatter()
        self._shadow: VideoCodecContext | None = None
        self._alone: dict[int, bytes] = {}
        self._whole: dict[int, bytes] = {}
        self._tried: set[int] = set()
        self._wanted: set[int] = set()
        self._packets_left = 0
        self._following = 0
        self._until_next = 0
        self._is_refuted = False
        self.may_drop = False

    @property
    def is_trying(self) -> bool:
        """Whether a trial is under way that needs every frame decoded."""
        return self._packets_left > 0

    def take(self, packet: VideoPacket) -> None:
        """Take the packet that is decoded next."""
        if self._is_refuted:
            return
        if self._packets_left == 0 and self._following == 0:
            self._until_next = max(0, self._until_next - 1)
            if self._until_next or not packet.is_keyframe:
                return
            self._begin()
        if self._packets_left:
            self._decode_alone(packet)
        else:
            self._following -= 1
            if self._following == 0:
                self._judge()

    def want(self, packet: VideoPacket) -> None:
        """Note that the frame of this packet is wanted, while others are left out."""
        if self.may_drop and packet.pts is not None:
            self._wanted.add(packet.pts)

    def compare(self, frames: Sequence[VideoFrame]) -> None:
        """Take what the decoder that leaves nothing out gave, or what was wanted of it later."""
        for frame in frames:
            if frame.pts in self._wanted:
                self._wanted.discard(frame.pts)
                if frame.pict_type == PictureType.B:
                    # What it refers to must not be left out.
                    self._is_refuted, self.may_drop = True, False
        if self._shadow is None and not self._following:
            return
        for frame in frames:
            is_anchor = frame.pict_type in {PictureType.I, PictureType.P}
            if is_anchor and frame.pts is not None and frame.pts in self._tried:
                self._whole[frame.pts] = self._small(frame)

    def _begin(self) -> None:
        shadow = av.CodecContext.create(self._codec.name, "r")
        assert isinstance(shadow, VideoCodecContext)
        shadow.extradata = self._codec.extradata
        shadow.thread_count = 1
        shadow.options = {
            **self._options,
            "max_pixels": str(self._codec.width * self._codec.height),
        }
        shadow.skip_frame = "BIDIR"
        self._shadow = shadow
        self._alone, self._whole, self._tried = {}, {}, set()
        self._packets_left = _TRIAL_PACKETS
        self.may_drop = False

    def _decode_alone(self, packet: VideoPacket) -> None:
        if packet.pts is not None:
            self._tried.add(packet.pts)
        self._feed(packet)
        self._packets_left -= 1
        if self._packets_left == 0:
            self._feed(None)
            self._shadow = None
            self._following = _FOLLOWING_PACKETS

    def _feed(self, packet: VideoPacket | None) -> None:
        assert self._shadow is not None
        try:
            frames = self._shadow.decode(packet)
        except av.FFmpegError:
            # What it lacks then refutes, or the decoder beside it failed just so.
            return
        for frame in frames:
            if frame.pts is not None:
                self._alone[frame.pts] = self._small(frame)

    def _judge(self) -> None:
        times = sorted(self._whole)
        pictures = [self._whole[pts] for pts in times]
        moving = sum(
            _difference(before, after) >= _MOVED_LEVELS for before, after in pairwise(pictures)
        )
        if any(self._alone.get(pts) != self._whole[pts] for pts in times):
            self._is_refuted = True
        elif len(times) >= _ENOUGH_ANCHORS and moving >= _ENOUGH_MOVING:
            self.may_drop = True
        self._until_next = _NEXT_TRIAL_PACKETS if self.may_drop else _NEXT_TRY_PACKETS
        self._alone, self._whole, self._tried = {}, {}, set()

    def _small(self, frame: VideoFrame) -> bytes:
        grey = self._scaler.reformat(frame, width=_WIDTH, height=_HEIGHT, format="gray", threads=1)
        return bytes(grey.planes[0])


def _difference(one: bytes, other: bytes) -> float:
    """Mean difference of two grey pictures, in levels of 255."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=False)) / max(1, len(one))
