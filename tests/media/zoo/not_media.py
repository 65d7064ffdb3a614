"""Files that are nothing at all, or only pretend to begin."""

from __future__ import annotations

import gzip
import io
import json
import random
import sys
import zipfile
from pathlib import Path

from tests.media.zoo.boxes import TS_PACKET_BYTES, box
from tests.media.zoo.entry import BROKEN, CUT_OFF, UNREADABLE, Entry, content, failed
from tests.media.zoo.matroska import header

_HTML = b"<!doctype html><html><body><video src='canary.ts'></video></body></html>"
_PDF = b"%PDF-1.7\n1 0 obj\n<</Type /Catalog>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n"


def entries() -> list[Entry]:
    """One file of each kind of rubbish, under a video's name."""
    rubbish = {
        "one-byte.mp4": b"x",
        "text.mp4": b"This is no video.\n" * 500,
        "utf16.avi": "This is no video either.\n".encode("utf-16") * 500,
        "json.webm": json.dumps({"video": [1, 2, 3]}).encode() * 100,
        "page.mp4": _HTML,
        "document.mkv": _PDF * 50,
        "archive.mp4": _zip(),
        "compressed.ts": gzip.compress(b"moov" * 1000),
        "program.mp4": Path(sys.executable).read_bytes()[:200_000],
        "noise.mp4": random.Random(1).randbytes(500_000),
        "zeros.ts": bytes(8 * 1024**2),
        "ones.avi": b"\xff" * 1024**2,
    }
    begun = {
        "only-ftyp.mp4": box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41"),
        "only-empty-moov.mp4": box(b"ftyp", b"isom\0\0\2\0") + box(b"moov", b""),
        "only-ebml.mkv": header(),
        "only-riff.avi": b"RIFF\xff\xff\xff\x7fAVI ",
        "only-null-packets.ts": (b"\x47\x1f\xff\x10" + b"\xff" * (TS_PACKET_BYTES - 4)) * 500,
        "only-pack-headers.mpg": (b"\0\0\1\xba" + b"\x44\0\4\0\4\1\0\0\3\xf8") * 500,
        "only-signature.png": b"\x89PNG\r\n\x1a\n",
        "only-signature.gif": b"GIF89a",
        "only-start.jpg": b"\xff\xd8\xff\xe0",
        "only-start.webp": b"RIFF\x10\0\0\0WEBPVP8 ",
    }
    return [
        content("empty.mp4", lambda: b"", failed("media.empty")),
        *(_constant(name, data, UNREADABLE) for name, data in rubbish.items()),
        *(_constant(name, data, BROKEN | CUT_OFF) for name, data in begun.items()),
    ]


def _constant(name: str, data: bytes, codes: frozenset[str]) -> Entry:
    return content(name, lambda: data, failed(*codes))


def _zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("clip.mp4", b"no video" * 1000)
    return packed.getvalue()
