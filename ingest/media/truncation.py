"""Whether a file ends before its own structure says; for files that can't be decoded at all."""

from __future__ import annotations

import os
import struct

_MAX_BOXES = 4096
_FIRST_BOXES = {b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"moof"}
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_TAIL_BYTES = 64


def is_cut_short(descriptor: int) -> bool:
    """Whether MP4, MOV, AVIF, MKV, WebM, AVI, WebP, PNG or JPEG lacks its end.

    False also where the format has no end to miss, as MPEG-TS, or does not say where it is.
    """
    size = os.fstat(descriptor).st_size
    head = os.pread(descriptor, 256, 0)
    if head[4:8] in _FIRST_BOXES:
        return _boxes_end_early(descriptor, size)
    if head.startswith(_EBML):
        return _segment_ends_early(head, size)
    if head.startswith(b"RIFF") and len(head) >= 12:
        declared = int(struct.unpack_from("<I", head, 4)[0])
        return declared == 0 or 8 + declared > size  # recorders write it at their end
    tail = os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    if head.startswith(_PNG_START):
        return _PNG_END not in tail
    return head.startswith(_JPEG_START) and _JPEG_END not in tail


def _boxes_end_early(descriptor: int, size: int) -> bool:
    """Whether a top-level box of ISO/IEC 14496-12 goes beyond the end, or the index is missing."""
    at, kinds = 0, set[bytes]()
    for _ in range(_MAX_BOXES):
        if at >= size:
            return b"moov" not in kinds and b"meta" not in kinds
        header = os.pread(descriptor, 16, at)
        if len(header) < 8:
            return True
        length = int(struct.unpack_from(">I", header)[0])
        kinds.add(header[4:8])
        if length == 1:
            if len(header) < 16:
                return True
            length = int(struct.unpack_from(">Q", header, 8)[0])
        elif length == 0:  # up to the end of the file
            length = size - at
        if length < 8:
            return False
        at += length
        if at > size:
            return True
    return False


def _segment_ends_early(head: bytes, size: int) -> bool:
    """Whether a Matroska file is smaller than its header, or than its segment's length."""
    header = _ebml_length(head, 4)
    if header is None:
        return len(head) < 16
    at = header[0] + header[1]
    if at + 12 > size:
        return True
    if at + 12 > len(head) or head[at : at + 4] != _SEGMENT:
        return False
    segment = _ebml_length(head, at + 4)
    return segment is not None and segment[0] + segment[1] > size


def _ebml_length(data: bytes, at: int) -> tuple[int, int] | None:
    """Where an element's content starts, and its length (RFC 8794); None where it is unknown."""
    if at >= len(data) or data[at] == 0:
        return None
    width = 9 - data[at].bit_length()
    digits = data[at : at + width]
    value = int.from_bytes(digits) & ((1 << 7 * width) - 1)
    if len(digits) < width or value == (1 << 7 * width) - 1:
        return None
    return at + width, value
