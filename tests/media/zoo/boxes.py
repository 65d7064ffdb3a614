"""Surgery on MP4 boxes (ISO/IEC 14496-12) and MPEG-TS packets."""

from __future__ import annotations

import struct
from collections.abc import Iterator

TS_PACKET_BYTES = 188
_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"moof"})


def box(kind: bytes, payload: bytes) -> bytes:
    """One box with its length in front."""
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def full_box(kind: bytes, payload: bytes, version: int = 0, flags: int = 0) -> bytes:
    """One box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags) + payload)


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of every box between two places, and of those inside them."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        stop = end if size == 0 else start + size
        yield kind, start, stop
        if kind in _CONTAINERS:
            yield from boxes(data, start + 8, stop)
        start = max(stop, start + 8)


def find(data: bytes, kind: bytes) -> tuple[int, int]:
    """Return start and end of the first box of that kind."""
    return next((start, end) for found, start, end in boxes(data) if found == kind)


def overwrite(data: bytes, kind: bytes, offset: int, value: bytes) -> bytes:
    """Write over some bytes of the first box of that kind, `offset` counted from its start."""
    start, end = find(data, kind)
    assert start + offset + len(value) <= end, "surgery stays inside the box"
    at = start + offset
    return data[:at] + value + data[at + len(value) :]


def replace(data: bytes, kind: bytes, new: bytes) -> bytes:
    """Put other bytes in the place of the first box of that kind; lengths around it follow.

    For files whose media data stands before the index, where no offset moves.
    """
    start, end = find(data, kind)
    grown = len(new) - (end - start)
    around = [(a, b) for found, a, b in boxes(data) if a < start and b >= end]
    patched = bytearray(data[:start] + new + data[end:])
    for outer, _ in around:
        (size,) = struct.unpack_from(">I", patched, outer)
        struct.pack_into(">I", patched, outer, size + grown)
    return bytes(patched)


def insert_in(data: bytes, kind: bytes, new: bytes) -> bytes:
    """Add a box at the end of the first box of that kind."""
    start, end = find(data, kind)
    return replace(data, kind, box(kind, data[start + 8 : end] + new))


def ts_packets(data: bytes) -> list[bytes]:
    """Split a transport stream into its packets."""
    return [data[at : at + TS_PACKET_BYTES] for at in range(0, len(data), TS_PACKET_BYTES)]
