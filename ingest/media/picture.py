"""Turns decoded frames into upright pictures with square pixels; in the decoding process.

On the way: one field of an interlaced frame, transparent parts on grey, black bars cut off by
moving pointers, and then scaling and conversion to RGB in one step of libswscale, so that only
transparency costs a full-size RGB picture. Turning and cutting squares touch small pictures only.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction

from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from PIL import Image

from ingest.geometry import Box, Geometry
from ingest.media.bars import find_content
from ingest.media.colour import coding_matrix, hdr_warning, tone_mapped
from ingest.media.orientation import (
    displayed_size,
    square_pixel_size,
    turned,
    upright_transpose,
)
from ingest.media.wire import THUMBNAIL_WIDTH_PX

__all__ = ["PictureMaker", "displayed_size"]

_BICUBIC = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
"""Without the two flags libswscale's shortcuts darken some pictures by one or two levels of 255;
with them it stays within a quarter of a level of a full-size conversion scaled by Pillow."""

_GREY = (128, 128, 128)
"""Stands where a picture has nothing: behind transparency, where black and white both stay
visible, and around a whole picture in its square, where it is near the models' mean, so that it
says as little as possible; black would say film or night."""

_MAX_THUMBNAIL_ASPECT = 4
_JPEG_QUALITY = 80


@dataclass(frozen=True)
class _Source:
    """One decoded frame, made ready: what pictures are cut from, and the first of them."""

    decoded: VideoFrame
    flat: VideoFrame
    """One field where the frame is interlaced, and without transparency."""
    matrix: Colorspace | None
    transpose: Image.Transpose | None
    size: tuple[int, int]
    """Width and height in square pixels, not turned; so is `small`."""
    small: Image.Image


class PictureMaker:
    """Makes the encoder's squares and the evidence thumbnail of frames.

    Each libswscale context keeps its tables for one input shape and rebuilds them when the
    shape changes, so each kind of picture has one.
    """

    def __init__(self, geometry: Geometry, pixel_aspect: Fraction | None) -> None:
        self._geometry = geometry
        self.pixel_aspect = pixel_aspect
        """Width to height of a pixel of the next frame; None where nothing tells."""
        self._square_scaler = VideoReformatter()
        self._small_scaler = VideoReformatter()
        self._flattener = VideoReformatter()
        self._latest: _Source | None = None
        self._notes: set[str] = set()

    @property
    def notes(self) -> list[str]:
        """One warning for each thing that the pictures made so far don't show as it was meant."""
        return sorted(self._notes)

    def squares(self, frame: VideoFrame) -> list[bytes]:
        """Return RGB rows of each of the geometry's squares; raises av.FFmpegError."""
        source = self._prepared(frame)
        flat = source.flat
        left, top, right, bottom = _content(source)
        if (left, top, right, bottom) != (0, 0, flat.width, flat.height):
            box = f"{right - left}:{bottom - top}:{left}:{top}"
            flat = _filtered(flat, ("crop", box))
        width = max(1, round(source.size[0] * flat.width / source.flat.width))
        height = max(1, round(source.size[1] * flat.height / source.flat.height))
        size = self._geometry.scaled_size(*turned((width, height), source.transpose))
        picture = _scaled(
            self._square_scaler, flat, turned(size, source.transpose), source.matrix, _BICUBIC
        )
        picture = _upright(tone_mapped(picture, frame), source.transpose)
        return [_cut(picture, box).tobytes() for box in self._geometry.squares_in(*size)]

    def thumbnail(self, frame: VideoFrame) -> bytes:
        """Return the whole displayed picture as a JPEG; raises av.FFmpegError."""
        source = self._prepared(frame)
        encoded = io.BytesIO()
        picture = _upright(source.small, source.transpose)
        picture.save(encoded, "JPEG", quality=_JPEG_QUALITY)
        return encoded.getvalue()

    def _prepared(self, frame: VideoFrame) -> _Source:
        """Return the frame made ready, once for its squares and its thumbnail."""
        if self._latest is None or self._latest.decoded is not frame:
            self._latest = None
            self._latest = self._prepare(frame)
        return self._latest

    def _prepare(self, frame: VideoFrame) -> _Source:
        matrix = coding_matrix(frame)
        warning = hdr_warning(frame)
        if warning is not None:
            self._notes.add(warning)
        flat = _filtered(frame, ("field", "top")) if frame.interlaced_frame else frame
        if _may_be_transparent(flat):
            flat = _on_grey(self._flattener, flat, matrix)
            matrix = None if flat.format.is_rgb else matrix
        transpose = upright_transpose(frame)
        size = square_pixel_size(frame, self.pixel_aspect)
        small_size = turned(_thumbnail_size(*turned(size, transpose)), transpose)
        small = _scaled(self._small_scaler, flat, small_size, matrix, Interpolation.AREA)
        return _Source(frame, flat, matrix, transpose, size, tone_mapped(small, frame))


def _thumbnail_size(width: int, height: int) -> tuple[int, int]:
    scaled_height = max(1, round(height * THUMBNAIL_WIDTH_PX / width))
    return THUMBNAIL_WIDTH_PX, min(scaled_height, THUMBNAIL_WIDTH_PX * _MAX_THUMBNAIL_ASPECT)


def _content(source: _Source) -> Box:
    """The frame without its bars, in pixels of `flat`, on borders that its chroma allows."""
    left, top, right, bottom = find_content(source.small)
    flat, small = source.flat, source.small
    chroma_x = 4 // flat.format.chroma_width(4)
    chroma_y = 4 // flat.format.chroma_height(4)
    left, right = _inward(left, right, small.width, flat.width, chroma_x)
    top, bottom = _inward(top, bottom, small.height, flat.height, chroma_y)
    return left, top, right, bottom


def _inward(start: int, end: int, of: int, length: int, step: int) -> tuple[int, int]:
    """Carry a span over to a side of another length, each end rounded to within the span."""
    first = -(-start * length // (of * step)) * step
    last = length if end == of else end * length // (of * step) * step
    return (first, last) if first < last else (0, length)


def _filtered(frame: VideoFrame, step: tuple[str, str]) -> VideoFrame:
    """Return what a filter makes of one frame: `field` and `crop` move pointers, no pixels.

    Such a graph is built in some 50 µs, so none is kept.
    """
    graph = Graph()
    graph.threads = 1
    form = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/1"
    nodes = graph.add("buffer", form), graph.add(*step), graph.add("buffersink")
    graph.link_nodes(*nodes).configure(auto_buffer=False)
    graph.vpush(frame)
    return graph.vpull()


def _may_be_transparent(frame: VideoFrame) -> bool:
    # A palette's colours have alpha too; libavutil's description doesn't count it.
    form = frame.format
    return form.name == "pal8" or any(component.is_alpha for component in form.components)


def _on_grey(
    flattener: VideoReformatter, frame: VideoFrame, matrix: Colorspace | None
) -> VideoFrame:
    """Lay a frame over grey, at full size: what is hidden must not bleed in by scaling."""
    size = frame.width, frame.height
    picture = _reformatted(flattener, frame, size, "rgba", matrix, _BICUBIC)
    if picture.getchannel("A").getextrema() == (255, 255):
        return frame
    background = Image.new("RGBA", size, (*_GREY, 255))
    flat = Image.alpha_composite(background, picture)
    return VideoFrame.from_bytes(flat.tobytes(), *size, format="rgba")


def _scaled(
    scaler: VideoReformatter,
    frame: VideoFrame,
    size: tuple[int, int],
    matrix: Colorspace | None,
    interpolation: Interpolation,
) -> Image.Image:
    return _reformatted(scaler, frame, size, "rgb24", matrix, interpolation)


def _reformatted(
    scaler: VideoReformatter,
    frame: VideoFrame,
    size: tuple[int, int],
    pixel_format: str,
    matrix: Colorspace | None,
    interpolation: Interpolation,
) -> Image.Image:
    rgb = scaler.reformat(
        frame,
        width=size[0],
        height=size[1],
        format=pixel_format,
        src_colorspace=matrix,
        interpolation=interpolation,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    )
    plane = rgb.planes[0]
    mode = "RGBA" if pixel_format == "rgba" else "RGB"
    return Image.frombuffer(mode, size, bytes(plane), "raw", mode, plane.line_size, 1)


def _upright(picture: Image.Image, transpose: Image.Transpose | None) -> Image.Image:
    return picture if transpose is None else picture.transpose(transpose)


def _cut(picture: Image.Image, box: Box) -> Image.Image:
    """Return the box of a picture, grey where it stands out."""
    left, top, right, bottom = box
    if left >= 0 and top >= 0 and right <= picture.width and bottom <= picture.height:
        return picture.crop(box)
    square = Image.new("RGB", (right - left, bottom - top), _GREY)
    square.paste(picture, (-left, -top))
    return square
