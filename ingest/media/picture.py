"""Turns decoded frames into upright pictures with square pixels; in the decoding process.

Scaling and conversion to RGB happen in one step of libswscale, so no full-size RGB picture is
ever made. Turning and cutting then touch small pictures only.
"""

from __future__ import annotations

import io
from fractions import Fraction

from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from PIL import Image

from ingest.geometry import Geometry
from ingest.media.wire import THUMBNAIL_WIDTH_PX

_BICUBIC = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
"""Without the two flags libswscale's shortcuts darken some pictures by one or two levels of 255;
with them it stays within a quarter of a level of a full-size conversion scaled by Pillow."""

_MAX_PIXEL_ASPECT = 8
"""A sample aspect ratio beyond this is taken for damage and ignored."""
_MAX_THUMBNAIL_ASPECT = 4
_JPEG_QUALITY = 80

_QUARTER_TURNS = {
    1: Image.Transpose.ROTATE_90,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_270,
}


def displayed_size(frame: VideoFrame, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Width and height of the frame on a screen of square pixels, turned upright."""
    width = frame.width
    if pixel_aspect and 1 <= pixel_aspect * _MAX_PIXEL_ASPECT <= _MAX_PIXEL_ASPECT**2:
        width = max(1, round(width * pixel_aspect))
    return _turned((width, frame.height), quarter_turns(frame))


def quarter_turns(frame: VideoFrame) -> int:
    """How many quarter turns counter-clockwise make the frame upright: 0 to 3."""
    return round(frame.rotation / 90) % 4


class PictureMaker:
    """Makes the encoder's square and the evidence thumbnail of a frame.

    Each libswscale context keeps its tables for one input shape and rebuilds them when the
    shape changes, so square and thumbnail have one each.
    """

    def __init__(self, geometry: Geometry, pixel_aspect: Fraction | None) -> None:
        self._geometry = geometry
        self._pixel_aspect = pixel_aspect
        self._square_scaler = VideoReformatter()
        self._thumbnail_scaler = VideoReformatter()

    def squares(self, frame: VideoFrame) -> list[bytes]:
        """Return RGB rows of each of the geometry's squares, bicubic; raises av.FFmpegError."""
        geometry = self._geometry
        size = geometry.scaled_size(*displayed_size(frame, self._pixel_aspect))
        picture = _scaled(self._square_scaler, frame, size, _BICUBIC)
        return [picture.crop(geometry.square_in(*size)).tobytes()]

    def thumbnail(self, frame: VideoFrame) -> bytes:
        """Return the whole displayed picture as a JPEG; raises av.FFmpegError."""
        width, height = displayed_size(frame, self._pixel_aspect)
        scaled_height = max(1, round(height * THUMBNAIL_WIDTH_PX / width))
        size = THUMBNAIL_WIDTH_PX, min(scaled_height, THUMBNAIL_WIDTH_PX * _MAX_THUMBNAIL_ASPECT)
        picture = _scaled(self._thumbnail_scaler, frame, size, Interpolation.AREA)
        encoded = io.BytesIO()
        picture.save(encoded, "JPEG", quality=_JPEG_QUALITY)
        return encoded.getvalue()


def _scaled(
    scaler: VideoReformatter,
    frame: VideoFrame,
    size: tuple[int, int],
    interpolation: Interpolation,
) -> Image.Image:
    turns = quarter_turns(frame)
    width, height = _turned(size, turns)
    rgb = scaler.reformat(
        frame,
        width=width,
        height=height,
        format="rgb24",
        interpolation=interpolation,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    )
    plane = rgb.planes[0]
    rows = bytes(plane)
    picture = Image.frombuffer("RGB", (width, height), rows, "raw", "RGB", plane.line_size, 1)
    return picture.transpose(_QUARTER_TURNS[turns]) if turns else picture


def _turned(size: tuple[int, int], turns: int) -> tuple[int, int]:
    return (size[1], size[0]) if turns % 2 else size
