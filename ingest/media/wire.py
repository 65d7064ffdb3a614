"""What the decoding process is told and how its answers are framed; standard library only.

The request is one line of JSON on stdin. Every answer is a kind (one byte), a length (uint32,
big endian) and that many bytes: JSON, or for a frame its time, the number of its pictures, their
pixels and its thumbnail, or for a cut its time.
Facts come first, then frames and cuts, each kind in order of time, then one summary; an error
ends the answers at any place, and ticks, which only say how far decoding has come, may stand
anywhere before the end.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import BinaryIO

from ingest.geometry import MAX_TILES, Geometry
from ingest.media.limits import DecodeLimits
from ingest.media.spec import SamplingSpec

FACTS = b"F"
FRAME = b"P"
CUT = b"C"
TICK = b"T"
SUMMARY = b"S"
ERROR = b"E"

HEADER = struct.Struct(">cI")
FRAME_HEADER = struct.Struct(">QB")
CUT_TIME = struct.Struct(">Q")

MAX_JSON_BYTES = 64 * 1024
MAX_THUMBNAIL_BYTES = 1024 * 1024
THUMBNAIL_WIDTH_PX = 320


@dataclass(frozen=True)
class DecodeRequest:
    """One file to decode; `source` is the name that messages give it, already printable.

    `descriptor` is the open file, once the decoding process has it; after `stop_after` shown
    frames the rest is left alone, and the summary is of these. Neither is ever sent.
    """

    path: str
    source: str
    sampling: SamplingSpec
    geometry: Geometry
    limits: DecodeLimits
    descriptor: int = -1
    stop_after: int | None = None

    def to_line(self) -> bytes:
        """Serialise to one line of ASCII JSON."""
        fields = {
            "path": self.path,
            "source": self.source,
            "sampling": self.sampling.name,
            "geometry": self.geometry.name,
            "limits": asdict(self.limits),
        }
        return json.dumps(fields).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> DecodeRequest:
        """Rebuild a request from `to_line`."""
        fields = json.loads(line)
        return cls(
            path=fields["path"],
            source=fields["source"],
            sampling=SamplingSpec.parse(fields["sampling"]),
            geometry=Geometry.parse(fields["geometry"]),
            limits=DecodeLimits(**fields["limits"]),
        )


def largest_payload(kind: bytes, geometry: Geometry) -> int:
    """Bytes a message of that kind may have at most; 0 for a kind that doesn't exist."""
    if kind == FRAME:
        return FRAME_HEADER.size + MAX_TILES * pixel_bytes(geometry) + MAX_THUMBNAIL_BYTES
    if kind == CUT:
        return CUT_TIME.size
    return MAX_JSON_BYTES if kind in {FACTS, TICK, SUMMARY, ERROR} else 0


def pixel_bytes(geometry: Geometry) -> int:
    """Bytes of one square of RGB."""
    return geometry.size_px * geometry.size_px * 3


def write_json(out: BinaryIO, kind: bytes, fields: Mapping[str, object]) -> None:
    """Send a message of JSON."""
    payload = json.dumps(fields).encode()
    out.write(HEADER.pack(kind, len(payload)) + payload)
    out.flush()


def write_frame(
    out: BinaryIO, pts_us: int, pictures: Sequence[bytes], thumbnail_jpeg: bytes
) -> None:
    """Send one sampled frame; no pictures say that it looks like the last one that had some."""
    length = FRAME_HEADER.size + sum(map(len, pictures)) + len(thumbnail_jpeg)
    out.write(HEADER.pack(FRAME, length) + FRAME_HEADER.pack(pts_us, len(pictures)))
    for picture in pictures:
        out.write(picture)
    out.write(thumbnail_jpeg)
    out.flush()


def write_cut(out: BinaryIO, pts_us: int) -> None:
    """Send when a shot begins."""
    out.write(HEADER.pack(CUT, CUT_TIME.size) + CUT_TIME.pack(pts_us))
    out.flush()
