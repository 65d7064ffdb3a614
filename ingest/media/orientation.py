"""Which way up a frame is shown, and how large, by its display matrix and pixel aspect."""

from __future__ import annotations

import struct
from fractions import Fraction

from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from PIL.Image import Transpose

_MAX_PIXEL_ASPECT = 8
"""A sample aspect ratio beyond this is taken for damage and ignored."""

_MATRIX = struct.Struct("=9i")
"""ISO/IEC 14496-12 6.2.2: with a, b at 0, 1 and c, d at 3, 4, (x, y) goes to (ax+cy, bx+dy)."""

_STRAIGHT = {
    (False, False): None,
    (True, False): Transpose.FLIP_LEFT_RIGHT,
    (False, True): Transpose.FLIP_TOP_BOTTOM,
    (True, True): Transpose.ROTATE_180,
}
"""By whether x and y are mirrored."""
_SWAPPED = {
    (False, False): Transpose.TRANSPOSE,
    (True, False): Transpose.ROTATE_270,
    (False, True): Transpose.ROTATE_90,
    (True, True): Transpose.TRANSVERSE,
}
"""The same where rows become columns, by whether the new x and y are mirrored."""
_QUARTER_TURNS = (None, Transpose.ROTATE_90, Transpose.ROTATE_180, Transpose.ROTATE_270)


def upright_transpose(frame: VideoFrame) -> Transpose | None:
    """Return what makes a frame upright, to the nearest quarter turn; None for nothing."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV lists no side data beside a kind it doesn't know, such as a JPEG's EXIF; of the
        # matrix it then tells the turn, but no mirroring.
        return _QUARTER_TURNS[round(frame.rotation / 90) % 4]
    if not isinstance(matrix, SideData) or matrix.buffer_size < _MATRIX.size:
        return None
    a, b, _, c, d, *_ = _MATRIX.unpack_from(bytes(matrix))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _STRAIGHT[a < 0, d < 0]
    return _SWAPPED[c < 0, b < 0]


def turned(size: tuple[int, int], transpose: Transpose | None) -> tuple[int, int]:
    """Width and height after the transpose, or before it: both ways are the same."""
    return (size[1], size[0]) if transpose in _SWAPPED.values() else size


def square_pixel_size(frame: VideoFrame, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Width and height of the frame in square pixels, as it is stored."""
    width = frame.width
    if pixel_aspect and 1 <= pixel_aspect * _MAX_PIXEL_ASPECT <= _MAX_PIXEL_ASPECT**2:
        width = max(1, round(width * pixel_aspect))
    return width, frame.height


def displayed_size(frame: VideoFrame, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Width and height of the frame on a screen of square pixels, turned upright."""
    return turned(square_pixel_size(frame, pixel_aspect), upright_transpose(frame))
