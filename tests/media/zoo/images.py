"""Images written by hand, so that a few bytes can promise a great many pixels."""

from __future__ import annotations

import struct
import zlib


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    """One chunk of a PNG with its checksum."""
    checksum = zlib.crc32(kind + payload)
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", checksum)


def png(width: int, height: int, more: bytes = b"", rows: int | None = None) -> bytes:
    """A black picture of one bit per pixel, which packs a thousand to one.

    `rows` is how many there really are.
    """
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    rows = height if rows is None else rows
    batch = max(1, min(rows, 2**20 // len(row)))
    packed = b"".join(packer.compress(row * batch) for _ in range(rows // batch))
    packed += packer.compress(row * (rows % batch)) + packer.flush()
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
        + more
        + png_chunk(b"IDAT", packed)
        + png_chunk(b"IEND", b"")
    )


_GIF_PIXEL = b"\x02\x02\x44\x01\x00"
"""One pixel of colour 0: code size 2, two bytes of codes, the end."""


def gif(
    canvas: tuple[int, int],
    frames: int = 1,
    delay_cs: int = 50,
    picture: tuple[int, int] = (1, 1),
) -> bytes:
    """Pictures of one pixel's data on a canvas of any size."""
    head = b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x80, 0, 0) + b"\xc8\x1e\x1e\0\0\0"
    control = b"\x21\xf9\x04\x00" + struct.pack("<H", delay_cs) + b"\0\0"
    image = b"\x2c" + struct.pack("<HHHHB", 0, 0, *picture, 0) + _GIF_PIXEL
    return head + (control + image) * frames + b"\x3b"


def riff(kind: bytes, payload: bytes) -> bytes:
    """A RIFF file."""
    return b"RIFF" + struct.pack("<I", 4 + len(payload)) + kind + payload


def webp_claiming(width: int, height: int) -> bytes:
    """A lossless WebP header of any size up to 16384 with next to nothing behind it."""
    bits = (width - 1) | (height - 1) << 14
    data = b"\x2f" + struct.pack("<I", bits) + bytes(16)
    return riff(b"WEBP", b"VP8L" + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2))


def webp_canvas(width: int, height: int) -> bytes:
    """An extended WebP whose canvas is of any size up to 2**24, with one small picture on it."""
    extended = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    small = webp_claiming(16, 16)[12:]
    return riff(b"WEBP", b"VP8X" + struct.pack("<I", len(extended)) + extended + small)


def bmp_claiming(width: int, height: int) -> bytes:
    """A bitmap header with almost none of its pixels."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 64, 0, 0, 54) + info + bytes(64)
