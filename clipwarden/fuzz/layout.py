"""Where the sizes, types and counts stand in a file, so that mutations can aim at them.

The readers are forgiving: they see files that were mutated before, and follow them as far as they
make sense. What they find is a hint and never wrong enough to matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

_MAX_ELEMENTS = 4000
_MAX_DEPTH = 12
_MAX_WORDS = 24
"""Words at the beginning of a leaf that are taken for fields: headers, counts, first entries."""
_TS_PACKET = 188

_BOXES_OF_BOXES = {
    *(b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"udta", b"mvex", b"moof"),
    *(b"traf", b"mfra"),
}
_MASTERS = {
    *(0x1A45DFA3, 0x18538067, 0x114D9B74, 0x4DBB, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0xE1),
    *(0x1F43B675, 0xA0, 0x1C53BB6B, 0xBB, 0xB7, 0x1254C367, 0x7373, 0x63C0, 0x67C8, 0x55B0),
}
"""EBML elements that hold elements, by their ids in RFC 8794 and RFC 9559."""


@dataclass(frozen=True)
class Field:
    """A number or a type in the file."""

    offset: int
    width: int
    order: Literal["big", "little"] = "big"


@dataclass
class Layout:
    """What a file is made of: elements as (start, end) and fields, nested ones included."""

    elements: list[tuple[int, int]] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)


def read_layout(content: bytes) -> Layout:
    """Return what can be made out; an empty layout for what is none of the formats we know."""
    found = Layout()
    for start, end, fields in islice(_elements(content), _MAX_ELEMENTS):
        found.elements.append((start, end))
        found.fields += [f for f in fields if f.offset + f.width <= len(content)]
    return found


_Element = tuple[int, int, list[Field]]


def _elements(content: bytes) -> Iterator[_Element]:
    if content[4:8] in {b"ftyp", b"moov", b"moof", b"free", b"mdat", b"wide"}:
        return _boxes(content, 0, len(content), 0)
    if content[:4] == b"\x1a\x45\xdf\xa3":
        return _ebml(content, 0, len(content), 0)
    if content[:4] == b"RIFF":
        return _riff(content, 0, len(content), 0)
    if content[:4] == b"\x89PNG":
        return _png(content)
    if content[:3] == b"GIF":
        return _gif(content)
    if content[:2] == b"\xff\xd8":
        return _jpeg(content)
    if content[:1] == b"G" and content[_TS_PACKET : _TS_PACKET + 1] in {b"G", b""}:
        return _transport(content)
    if content[:3] == b"\0\0\1":
        return _start_codes(content)
    return iter(())


def _words(start: int, end: int, order: Literal["big", "little"] = "big") -> list[Field]:
    return [Field(at, 4, order) for at in range(start, end - 3, 4)][:_MAX_WORDS]


def _boxes(content: bytes, start: int, end: int, depth: int) -> Iterator[_Element]:
    """ISO/IEC 14496-12: size (32 bit, 1: 64 bit follow, 0: to the end), type, payload."""
    at = start
    while at + 8 <= end:
        size = int.from_bytes(content[at : at + 4], "big")
        header = 8
        if size == 1:
            size, header = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        stop = min(at + max(size, header), end) if size else end
        kind = content[at + 4 : at + 8]
        fields = [Field(at, 4), Field(at + 4, 4)]
        inner = at + header
        if kind not in _BOXES_OF_BOXES and kind != b"mdat":
            fields += _words(inner, stop)
        yield at, stop, fields
        if kind in _BOXES_OF_BOXES and depth < _MAX_DEPTH:
            yield from _boxes(content, inner, stop, depth + 1)
        at = stop


def _ebml(content: bytes, start: int, end: int, depth: int) -> Iterator[_Element]:
    """RFC 8794: id and size as numbers whose first bit set says how long they are."""
    at = start
    while at < end:
        id_width = _vint_width(content[at])
        size_at = at + id_width
        if size_at >= end:
            return
        size_width = _vint_width(content[size_at])
        inner = size_at + size_width
        size = int.from_bytes(content[size_at:inner], "big") & ((1 << (7 * size_width)) - 1)
        unknown = size == (1 << (7 * size_width)) - 1
        stop = end if unknown else min(inner + size, end)
        fields = [Field(at, id_width), Field(size_at, size_width)]
        element_id = int.from_bytes(content[at:size_at], "big")
        if element_id not in _MASTERS and 0 < stop - inner <= 8:
            fields.append(Field(inner, stop - inner))
        yield at, stop, fields
        if element_id in _MASTERS and depth < _MAX_DEPTH:
            yield from _ebml(content, inner, stop, depth + 1)
        at = max(stop, inner)


def _vint_width(first: int) -> int:
    return max(1, min(8, 9 - first.bit_length()))


def _riff(content: bytes, start: int, end: int, depth: int) -> Iterator[_Element]:
    """Chunks of type, size (32 bit, little endian) and payload, padded to even lengths."""
    at = start
    while at + 8 <= end:
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        stop = min(at + 8 + size + size % 2, end)
        kind = content[at : at + 4]
        fields = [Field(at, 4), Field(at + 4, 4, "little")]
        holds_chunks = kind in {b"RIFF", b"LIST"}
        yield at, stop, fields + ([] if holds_chunks else _words(at + 8, stop, "little"))
        if holds_chunks and depth < _MAX_DEPTH:
            yield from _riff(content, at + 12, stop, depth + 1)
        at = stop


def _png(content: bytes) -> Iterator[_Element]:
    at = 8
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        stop = min(at + 12 + length, len(content))
        fields = [Field(at, 4), Field(at + 4, 4), Field(stop - 4, 4)]
        is_header = content[at + 4 : at + 8] in {b"IHDR", b"acTL", b"fcTL"}
        yield at, stop, fields + (_words(at + 8, stop) if is_header else [])
        at = stop


def _gif(content: bytes) -> Iterator[_Element]:
    """GIF89a: screen, palette, then blocks, each a chain of sub-blocks of at most 255 bytes."""
    yield 6, 13, [*_shorts(6, 2), Field(10, 1), Field(11, 1)]
    at = 13 + _palette_bytes(content[10] if len(content) > 10 else 0)
    while at < len(content):
        start, fields = at, [Field(at, 1)]
        if content[at] == 0x21:
            fields.append(Field(at + 1, 1))
            at += 2
        elif content[at] == 0x2C and at + 10 < len(content):
            fields += [*_shorts(at + 1, 4), Field(at + 9, 1), Field(at + 10, 1)]
            at += 11 + _palette_bytes(content[at + 9])
        else:
            at += 1
            yield start, at, fields
            continue
        while at < len(content) and content[at]:
            fields.append(Field(at, 1))
            at += content[at] + 1
        at = min(at + 1, len(content))
        yield start, at, fields


def _shorts(start: int, count: int) -> list[Field]:
    return [Field(start + 2 * index, 2, "little") for index in range(count)]


def _palette_bytes(flags: int) -> int:
    return 3 << (1 + (flags & 7)) if flags & 0x80 else 0


def _jpeg(content: bytes) -> Iterator[_Element]:
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        stop = min(at + 2 + int.from_bytes(content[at + 2 : at + 4], "big"), len(content))
        inner = [Field(offset, 1) for offset in range(at + 4, min(stop, at + 4 + _MAX_WORDS))]
        yield at, stop, [Field(at + 1, 1), Field(at + 2, 2), *inner]
        at = max(stop, at + 4)


def _transport(content: bytes) -> Iterator[_Element]:
    """ISO/IEC 13818-1: packets of 188 bytes; tables and stream headers begin behind a flag."""
    for at in range(0, len(content) - _TS_PACKET + 1, _TS_PACKET):
        fields = [Field(at, 1), Field(at + 1, 2), Field(at + 3, 1), Field(at + 4, 1)]
        if content[at + 1] & 0x40:
            behind = at + 4 + (1 + content[at + 4] if content[at + 3] & 0x20 else 0)
            stop = min(at + _TS_PACKET, behind + _MAX_WORDS)
            fields += [Field(offset, 1) for offset in range(behind, stop)]
        yield at, at + _TS_PACKET, fields


def _start_codes(content: bytes) -> Iterator[_Element]:
    """Packs, system headers and stream packets of an MPEG-PS, from one start code to the next."""
    at = 0
    while at >= 0:
        following = content.find(b"\0\0\1", at + 3)
        stop = following if following >= 0 else len(content)
        head = [Field(offset, 1) for offset in range(at + 6, min(stop, at + 6 + _MAX_WORDS))]
        yield at, stop, [Field(at + 3, 1), Field(at + 4, 2), *head]
        at = following
