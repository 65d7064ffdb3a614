"""Tells pictures from videos by their content."""

from __future__ import annotations

import os

from ingest.errors import MediaUnreadable
from ingest.media.signatures import HEAD_BYTES, image_demuxer
from ingest.media.wire import DecodeRequest

_GIF = (b"GIF87a", b"GIF89a")
_PICTURE_BRANDS = frozenset(
    {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"}
)
"""Of ISO/IEC 23008-12 and AVIF; HEIC is a picture, though one that is refused later."""


def require_picture(request: DecodeRequest) -> None:
    """Raise MediaUnreadable for anything but a picture, still or animated; GIF counts as one."""
    head = os.pread(request.descriptor, HEAD_BYTES, 0)
    if not (image_demuxer(request.descriptor) or head.startswith(_GIF) or _has_brand(head)):
        raise MediaUnreadable(
            f"{request.source}: not a picture.",
            "We take JPEG, PNG, APNG, WebP, BMP, TIFF, GIF and AVIF here; `clipwarden analyze` "
            "takes videos.",
        )


def _has_brand(head: bytes) -> bool:
    if head[4:8] != b"ftyp":
        return False
    box = head[: int.from_bytes(head[:4])]
    # The major brand, its version, and then the brands that the file can be read as.
    brands = {box[8:12], *(box[at : at + 4] for at in range(16, len(box), 4))}
    return bool(brands & _PICTURE_BRANDS)
