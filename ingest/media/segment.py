"""Whether the clusters of a Matroska file are whole, which FFmpeg's demuxer passes over in silence.

Elements as in RFC 8794, their numbers as in RFC 9559.
"""

from __future__ import annotations

import os
from typing import Literal, NamedTuple

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_IN_SEGMENT = frozenset(
    {_CLUSTER, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367}
)
"""What ends a cluster that doesn't say how long it is."""
_LONGEST_HEAD = 12
_MAX_ELEMENTS = 1_000_000
_CHUNK_BYTES = 1024**2

Fault = Literal["truncated", "damaged"]


class _Element(NamedTuple):
    number: int
    start: int
    end: int | None
    """None where it is unknown."""


class _Broken(Exception):
    """The walk ends here; with what is known of the reason."""

    def __init__(self, fault: Fault | None) -> None:
        self.fault = fault


def segment_fault(descriptor: int) -> Fault | None:
    """Say whether the file ends inside its segment, or holds something else than elements.

    What follows the segment doesn't matter, and neither does padding behind the last cluster.
    """
    walk = _Walk(descriptor)
    try:
        walk.segment()
    except _Broken as end:
        return end.fault
    return None


class _Walk:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._elements = 0

    def segment(self) -> None:
        header = self._element(0)
        if header is None or header.number != _EBML or header.end is None:
            return
        segment = self._element(header.end)
        if segment is None or segment.number != _SEGMENT:
            return
        at, end = segment.start, self._size if segment.end is None else segment.end
        while at < end:
            if end > self._size:
                raise _Broken("truncated")
            element = self._element(at)
            if element is None:
                raise _Broken("damaged" if self._is_cluster_after(at, end) else None)
            if element.number == _CLUSTER:
                at = self._cluster(element, end)
            elif element.end is None:
                return
            else:
                at = self._inside(element.end, end)

    def _cluster(self, cluster: _Element, limit: int) -> int:
        end = limit if cluster.end is None else self._inside(cluster.end, limit)
        at = cluster.start
        while at < end:
            element = self._element(at)
            if cluster.end is None and (element is None or element.number in _IN_SEGMENT):
                return at
            if element is None or element.end is None:
                raise _Broken("damaged")
            at = self._inside(element.end, end)
        return end

    def _inside(self, at: int, end: int) -> int:
        if at > self._size:
            raise _Broken("truncated")
        if at > end:
            raise _Broken("damaged")
        return at

    def _element(self, at: int) -> _Element | None:
        """Read an element's head; None where no element begins, or none so near the end."""
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise _Broken(None)
        head = os.pread(self._descriptor, _LONGEST_HEAD, at)
        width = 9 - head[0].bit_length() if head else 0
        if not 1 <= width <= 4 or len(head) <= width or head[width] == 0:
            return None
        number, size = int.from_bytes(head[:width]), 9 - head[width].bit_length()
        if len(head) < width + size:
            return None
        mask = (1 << 7 * size) - 1
        length = int.from_bytes(head[width : width + size]) & mask
        start = at + width + size
        return _Element(number, start, None if length == mask else start + length)

    def _is_cluster_after(self, at: int, end: int) -> bool:
        wanted = _CLUSTER.to_bytes(4)
        while at < end:
            chunk = os.pread(self._descriptor, _CHUNK_BYTES, at)
            if wanted in chunk:
                return True
            if len(chunk) < _CHUNK_BYTES:
                return False
            at += _CHUNK_BYTES - len(wanted)
        return False
