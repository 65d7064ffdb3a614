"""Makes AVIF pictures of two tiles, as telephones store theirs (ISO/IEC 23008-12, grid items)."""

from __future__ import annotations

import io
import struct
from pathlib import Path

from PIL import Image

from tests.clips import Colour

_TILE_PX = 128
_GRID, _LEFT, _RIGHT = 1, 2, 3
"""The items: the whole picture, and its two tiles."""


def write_grid(path: Path, left: Colour, right: Colour) -> Path:
    """Write a picture of 256x128 whose halves are stored as two pictures of one colour."""
    tiles = [_tile(left), _tile(right)]
    # Version, flags, one row, two columns, and the size they make together.
    grid = bytes([0, 0, 0, 1]) + struct.pack(">HH", 2 * _TILE_PX, _TILE_PX)
    contents = [grid, *(_contents(tile) for tile in tiles)]
    ahead = len(_ahead(tiles[0], contents, 0)) + 8
    path.write_bytes(_ahead(tiles[0], contents, ahead) + _box(b"mdat", *contents))
    return path


def _tile(colour: Colour) -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (_TILE_PX, _TILE_PX), colour).save(encoded, "AVIF")
    return encoded.getvalue()


def _ahead(tile: bytes, contents: list[bytes], first_at: int) -> bytes:
    """All that stands before the pixels; `first_at` is where those begin."""
    places, at = b"", first_at
    for item, content in zip((_GRID, _LEFT, _RIGHT), contents, strict=True):
        places += struct.pack(">HHHII", item, 0, 1, at, len(content))
        at += len(content)
    meta = _full_box(
        b"meta",
        _full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
        _full_box(b"pitm", struct.pack(">H", _GRID)),
        _full_box(b"iloc", bytes([0x44, 0]), struct.pack(">H", 3), places),
        _full_box(
            b"iinf",
            struct.pack(">H", 3),
            _item(_GRID, b"grid"),
            _item(_LEFT, b"av01", hidden=1),
            _item(_RIGHT, b"av01", hidden=1),
        ),
        _full_box(b"iref", _box(b"dimg", struct.pack(">4H", _GRID, 2, _LEFT, _RIGHT))),
        _properties(tile),
    )
    return _box(b"ftyp", b"avif", bytes(4), b"avifmif1miaf") + meta


def _properties(tile: bytes) -> bytes:
    """Sizes and decoder settings, and which item has which; 0x80 marks what is essential."""
    kept = [
        _full_box(b"ispe", struct.pack(">II", 2 * _TILE_PX, _TILE_PX)),
        _full_box(b"ispe", struct.pack(">II", _TILE_PX, _TILE_PX)),
        _found(tile, b"av1C"),
        _found(tile, b"pixi"),
    ]
    owned = struct.pack(">I", 3) + struct.pack(">HB2B", _GRID, 2, 1, 4)
    for item in (_LEFT, _RIGHT):
        owned += struct.pack(">HB3B", item, 3, 2, 3 | 0x80, 4)
    return _box(b"iprp", _box(b"ipco", *kept), _full_box(b"ipma", owned))


def _item(number: int, kind: bytes, hidden: int = 0) -> bytes:
    return _full_box(b"infe", struct.pack(">HH", number, 0), kind, bytes(1), version=2, flag=hidden)


def _found(tile: bytes, kind: bytes) -> bytes:
    start = tile.index(kind) - 4
    return tile[start : start + struct.unpack_from(">I", tile, start)[0]]


def _contents(tile: bytes) -> bytes:
    return _found(tile, b"mdat")[8:]


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I", 8 + len(content)) + kind + content


def _full_box(kind: bytes, *parts: bytes, version: int = 0, flag: int = 0) -> bytes:
    return _box(kind, bytes([version, 0, 0, flag]), *parts)
