"""What the first bytes of a file say that it is; nothing here trusts its name."""

from __future__ import annotations

import os
import struct

HEAD_BYTES = 4096
"""How much of a file is looked at."""

IMAGE_HEAD_BYTES = 256 * 1024
"""How much of an image is looked at for its size: profiles and thumbnails come before it."""

_JPEG = b"\xff\xd8\xff"
_JPEG_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of ITU-T T.81 that begin a frame header, and with it give the size."""
_PNG = b"\x89PNG\r\n\x1a\n"
_BMP_HEADER_BYTES = {12, 40, 52, 56, 64, 108, 124}
_ANIMATED_WEBP = 0x02
_IMAGE_CODECS = frozenset({"png", "apng", "mjpeg", "gif"})
_VP8_START = b"\x9d\x01\x2a"
"""RFC 6386, 9.1: of key frames, before width and height; above those two bits of scaling."""
_VP8_SIZE = 0x3FFF
_MAX_PNG_CHUNKS = 256


def playlist_kind(head: bytes) -> str | None:
    """Name the kind of playlist or session description that these bytes begin, if any.

    Such a file holds no video: it names where videos, or streams without an end, are.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"#EXTM3U"):
        return "an HLS playlist"
    if text.startswith(b"<"):
        if b"<MPD" in text:
            return "a DASH manifest"
        if b"<SmoothStreamingMedia" in text:
            return "a Smooth Streaming manifest"
    if text.startswith(b"v=0") and b"\no=" in text:
        return "a session description (SDP)"
    return None


def image_demuxer(descriptor: int) -> str | None:
    """Name FFmpeg's demuxer for the still or animated image in a file; None for all else.

    GIF and AVIF are not among them: the demuxers of videos read those. Each of these reads one
    image and opens nothing; the ones that read numbered files are never used.
    """
    head = os.pread(descriptor, HEAD_BYTES, 0)
    if head.startswith(_JPEG):
        return "jpeg_pipe"
    if head.startswith(_PNG):
        return "apng" if _is_animated_png(descriptor) else "png_pipe"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp_pipe"
    if head.startswith((b"II*\0", b"MM\0*")):
        return "tiff_pipe"
    if head.startswith(b"BM") and len(head) > 18:
        (size,) = struct.unpack_from("<I", head, 14)
        return "bmp_pipe" if size in _BMP_HEADER_BYTES else None
    return None


def image_size(head: bytes) -> tuple[int, int] | None:
    """Width and height that the header of a PNG, GIF or JPEG claims; None for all else.

    FFmpeg's decoders only call it invalid where a size is beyond what they can address.
    """
    if head.startswith(_PNG) and head[12:16] == b"IHDR" and len(head) >= 24:
        width, height = struct.unpack_from(">II", head, 16)
        return width, height
    if head.startswith((b"GIF87a", b"GIF89a")) and len(head) >= 10:
        width, height = struct.unpack_from("<HH", head, 6)
        return width, height
    return _jpeg_size(head) if head.startswith(_JPEG) else None


def coded_size(codec: str, packet: bytes) -> tuple[int, int] | None:
    """Width and height that a packet claims of its picture; None for codecs not read here."""
    if codec in _IMAGE_CODECS:
        return image_size(packet)
    if codec == "vp8" and len(packet) >= 10 and packet[3:6] == _VP8_START:
        width, height = struct.unpack_from("<HH", packet, 6)
        return width & _VP8_SIZE, height & _VP8_SIZE
    return None


def is_animated_webp(head: bytes) -> bool:
    """Whether these bytes begin a WebP that moves."""
    is_extended = head.startswith(b"RIFF") and head[8:16] == b"WEBPVP8X" and len(head) > 20
    return is_extended and bool(head[20] & _ANIMATED_WEBP)


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        if head[at + 1] == 0xFF:  # fill bytes may stand before a marker
            at += 1
            continue
        if head[at + 1] in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return width, height
        at += 2 + int(struct.unpack_from(">H", head, at + 2)[0])
    return None


def _is_animated_png(descriptor: int) -> bool:
    """An animation says so, by a chunk `acTL`, before its first image data."""
    at = len(_PNG)
    for _ in range(_MAX_PNG_CHUNKS):
        header = os.pread(descriptor, 8, at)
        if len(header) < 8 or header[4:] == b"IDAT":
            return False
        if header[4:] == b"acTL":
            return True
        at += 12 + struct.unpack(">I", header[:4])[0]
    return False
