"""Matroska (RFC 9559) written by hand."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

EBML, SEGMENT, INFO, TRACKS, TRACK, CLUSTER = (
    0x1A45DFA3,
    0x18538067,
    0x1549A966,
    0x1654AE6B,
    0xAE,
    0x1F43B675,
)
VOID = 0xEC
UNKNOWN_SIZE = b"\x01" + b"\xff" * 7


def element(number: int, payload: bytes, size: bytes | None = None) -> bytes:
    """One element; `size` is what it says of its length, by default the truth."""
    head = number.to_bytes((number.bit_length() + 7) // 8)
    return head + (size or size_of(len(payload))) + payload


def size_of(length: int) -> bytes:
    """A length in eight bytes."""
    return (1 << 56 | length).to_bytes(8)


def unsigned(number: int, value: int) -> bytes:
    """An element that holds a whole number."""
    return element(number, value.to_bytes(8))


def real(number: int, value: float) -> bytes:
    """An element that holds a floating point number."""
    return element(number, struct.pack(">d", value))


def text(number: int, value: str) -> bytes:
    """An element that holds a text."""
    return element(number, value.encode())


def header(doc_type: str = "matroska") -> bytes:
    """What every file begins with."""
    return element(
        EBML,
        unsigned(0x4286, 1) + unsigned(0x42F7, 1) + unsigned(0x42F2, 4) + unsigned(0x42F3, 8)
        + text(0x4282, doc_type) + unsigned(0x4287, 4) + unsigned(0x4285, 2),
    )  # fmt: skip


@dataclass(frozen=True)
class Track:
    """A video track; `more` is put into its entry, `video` into the entry's video settings."""

    codec: str = "V_VP8"
    size: tuple[int, int] = (320, 240)
    number: int = 1
    kind: int = 1
    more: bytes = b""
    video: bytes = b""
    private: bytes = b""

    def written(self) -> bytes:
        """The track's entry."""
        settings = unsigned(0xB0, self.size[0]) + unsigned(0xBA, self.size[1]) + self.video
        return element(
            TRACK,
            unsigned(0xD7, self.number)
            + unsigned(0x73C5, self.number)
            + unsigned(0x83, self.kind)
            + text(0x86, self.codec)
            + (element(0x63A2, self.private) if self.private else b"")
            + (element(0xE0, settings) if self.kind == 1 else b"")
            + self.more,
        )


@dataclass(frozen=True)
class Block:
    """One packet at a time in ticks, of a millisecond unless the file says otherwise."""

    ticks: int
    data: bytes
    keyframe: bool = True
    track: int = 1


@dataclass(frozen=True)
class Matroska:
    """A file: tracks, blocks and whatever else is to stand in it."""

    blocks: Sequence[Block]
    tracks: Sequence[Track] = field(default_factory=lambda: [Track()])
    info: bytes = b""
    more: bytes = b""
    tick_ns: int = 1_000_000
    cluster_size: bytes | None = None

    def written(self) -> bytes:
        """The bytes of the file."""
        body = (
            element(INFO, unsigned(0x2AD7B1, self.tick_ns) + self.info)
            + element(TRACKS, b"".join(track.written() for track in self.tracks))
            + self.more
            + b"".join(self._cluster(block) for block in self.blocks)
        )
        return header() + element(SEGMENT, body)

    def _cluster(self, block: Block) -> bytes:
        head = bytes([0x80 | block.track]) + struct.pack(">hB", 0, 0x80 * block.keyframe)
        start = unsigned(0xE7, block.ticks % 2**64)
        return element(CLUSTER, start + element(0xA3, head + block.data), self.cluster_size)
