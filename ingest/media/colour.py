"""Which matrix a frame's colours are coded by, and how high dynamic range is shown."""

from __future__ import annotations

import math

from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, ColorTrc
from PIL import Image

_KNOWN_MATRICES = frozenset({1, 4, 5, 6, 7, 9})
"""ITU-T H.273: BT.709, FCC, BT.601 twice, SMPTE 240M and BT.2020; libswscale knows no others."""
_HD_WIDTH_PX, _HD_HEIGHT_PX = 1024, 720

_WHITE_NITS = 203
"""What diffuse white is in HDR, ITU-R BT.2408."""
_KNEE = 0.5
"""The part of diffuse white up to which brightness is kept; above it highlights are drawn in."""
_BT2020_TO_BT709 = (
    *(1.6605, -0.5876, -0.0728, 0.0),
    *(-0.1246, 1.1329, -0.0083, 0.0),
    *(-0.0182, -0.1006, 1.1187, 0.0),
)
"""ITU-R BT.2087. Meant for linear light; applied to coded values it keeps greys and hues, and
makes saturated colours about right."""


def coding_matrix(frame: VideoFrame) -> Colorspace | None:
    """Return the matrix to convert by where the frame doesn't name one; None where it does.

    As players do, high definition is taken for BT.709 and everything smaller for BT.601.
    """
    if frame.format.is_rgb or frame.colorspace in _KNOWN_MATRICES:
        return None
    large = frame.width > _HD_WIDTH_PX or frame.height >= _HD_HEIGHT_PX
    return Colorspace.ITU709 if large else Colorspace.ITU601


def hdr_warning(frame: VideoFrame) -> str | None:
    """Return the sentence to say about a frame of high dynamic range, None for others."""
    if frame.color_trc == ColorTrc.SMPTE2084:
        return "media.hdr: high dynamic range (PQ), judged after a simple tone mapping."
    if frame.color_trc == ColorTrc.ARIB_STD_B67:
        return "media.hdr: high dynamic range (HLG), judged as a standard screen shows it."
    return None


def tone_mapped(picture: Image.Image, frame: VideoFrame) -> Image.Image:
    """Return the RGB picture as a standard screen should show it.

    Only PQ needs it, which unmapped looks grey and flat; HLG was made to be shown as it is.
    """
    if frame.color_trc != ColorTrc.SMPTE2084:
        return picture
    mapped = picture.point(list(_PQ_CURVE) * 3)
    return mapped.convert("RGB", _BT2020_TO_BT709)


def _pq_to_srgb(code: float) -> int:
    """SMPTE ST 2084's curve to nits, the highlights drawn in, and IEC 61966-2-1's back."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = code ** (1 / m2)
    nits: float = 10_000 * (max(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    light = nits / _WHITE_NITS
    if light > _KNEE:
        room = 1 - _KNEE
        light = _KNEE + room * (1 - math.exp((_KNEE - light) / room))
    coded: float = 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
    return round(255 * coded)


_PQ_CURVE = tuple(_pq_to_srgb(code / 255) for code in range(256))
