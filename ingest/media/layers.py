"""Temporal layers of HEVC, read from the headers of its units (ITU-T H.265, 7.3.1.2)."""

from __future__ import annotations

_FIRST_NON_PICTURE = 32
"""Unit types below carry slices of pictures."""
_LENGTH_SIZE_AT = 21
"""Where the configuration record says how long the units' lengths are (ISO/IEC 14496-15)."""
_START = b"\0\0\1"


def has_sublayers(packet: memoryview, extradata: bytes) -> bool:
    """Whether the packet's picture stands above the lowest temporal layer.

    A picture that none of its own layer needs may be needed by higher ones, but decoders that
    drop such pictures don't ask which layers there are. `extradata` is the codec's, which says
    whether units are marked by lengths or by start codes.
    """
    if len(extradata) > _LENGTH_SIZE_AT and extradata[0] == 1:
        return _of_lengths(packet, (extradata[_LENGTH_SIZE_AT] & 3) + 1)
    return _of_start_codes(bytes(packet))


def _of_lengths(packet: memoryview, size: int) -> bool:
    at = 0
    while at + size + 2 <= len(packet):
        if _is_picture(packet[at + size]):
            return _is_above(packet[at + size + 1])
        at += size + int.from_bytes(packet[at : at + size], "big")
    return False


def _of_start_codes(packet: bytes) -> bool:
    at = packet.find(_START)
    while 0 <= at < len(packet) - 4:
        if _is_picture(packet[at + 3]):
            return _is_above(packet[at + 4])
        at = packet.find(_START, at + 3)
    return False


def _is_picture(first: int) -> bool:
    return (first >> 1) & 63 < _FIRST_NON_PICTURE


def _is_above(second: int) -> bool:
    return second & 7 > 1
