"""What a frame looks like at a glance: small pictures and how much two of them differ.

Pillow's C functions do it: numpy would cost each decoding process 30 MB and a tenth of a second,
for pictures of 64x36 pixels.
"""

from __future__ import annotations

from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image, ImageChops, ImageStat

_WIDTH_PX, _HEIGHT_PX = 64, 36
_BLOCK_PX = 4


class Glancer:
    """Scales frames to 64x36 RGB, each pixel the mean of its area: grain averages out."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()

    def look(self, frame: VideoFrame) -> Image.Image:
        """Return the small picture of a frame; raises av.FFmpegError."""
        small = self._scaler.reformat(
            frame,
            width=_WIDTH_PX,
            height=_HEIGHT_PX,
            format="rgb24",
            interpolation=Interpolation.AREA,
            threads=1,
        )
        plane = small.planes[0]
        size = (_WIDTH_PX, _HEIGHT_PX)
        return Image.frombuffer("RGB", size, bytes(plane), "raw", "RGB", plane.line_size, 1)


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    """How far apart two small pictures are: the mean over all pixels and colours, 0..255."""
    means: list[float] = ImageStat.Stat(ImageChops.difference(one, other)).mean
    return sum(means) / len(means)


def contrast(look: Image.Image) -> float:
    """How much a small picture's pixels differ: their standard deviation, mean over colours."""
    deviations: list[float] = ImageStat.Stat(look).stddev
    return sum(deviations) / len(deviations)


def blocks(look: Image.Image) -> Image.Image:
    """Return the means of 16x9 blocks."""
    return look.reduce(_BLOCK_PX)


def largest_difference(one: Image.Image, other: Image.Image) -> int:
    """How far apart two pictures' most different pixels are, in any colour, 0..255."""
    return max(ImageChops.difference(one, other).tobytes())
