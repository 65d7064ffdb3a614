"""Whether an MP4's pictures are encrypted; for files that can't be decoded."""

from __future__ import annotations

import os
import re
import struct

_MAX_BOXES = 4096
_MAX_INDEX_BYTES = 16 * 1024**2
_ENCRYPTED = re.compile(rb"stsd.{12}encv", re.DOTALL)
"""A list of descriptions, the first of which is an encrypted video's (ISO/IEC 14496-12, 8.12)."""


def is_encrypted(descriptor: int) -> bool:
    """Whether the index describes the video as encrypted."""
    at = 0
    for _ in range(_MAX_BOXES):
        header = os.pread(descriptor, 16, at)
        if len(header) < 16:
            return False
        length, kind = struct.unpack_from(">I4s", header)
        if length == 1:
            (length,) = struct.unpack_from(">Q", header, 8)
        if kind == b"moov":
            index = os.pread(descriptor, min(length or _MAX_INDEX_BYTES, _MAX_INDEX_BYTES), at)
            return _ENCRYPTED.search(index) is not None
        if length < 8:
            return False
        at += length
    return False
