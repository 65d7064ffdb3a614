"""Evidence: a small JPEG of every sampled frame, packed by chunk into one zip file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

from ingest.blobs import BlobStore
from ingest.errors import BlobCorrupt


def pack_pictures(pictures: Iterable[tuple[int, bytes]]) -> bytes:
    """Return a zip of JPEGs, each given with its time in microseconds and named by it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for pts_us, jpeg in pictures:
            # A fixed date: the same pictures give the same bytes.
            archive.writestr(zipfile.ZipInfo(_member(pts_us)), jpeg)
    return buffer.getvalue()


def evidence_reference(evidence_key: str, pts_us: int) -> str:
    """The text by which results point at the picture of one frame."""
    return f"{evidence_key}#{_member(pts_us)}"


def read_picture(blobs: BlobStore, reference: str) -> bytes:
    """Return the JPEG a reference points at; raises BlobMissing, BlobCorrupt, BlobStoreFailed."""
    key, _, member = reference.partition("#")
    try:
        with zipfile.ZipFile(io.BytesIO(blobs.read(key))) as archive:
            return archive.read(member)
    except (zipfile.BadZipFile, KeyError) as error:
        raise BlobCorrupt(
            f"the evidence {reference!r} is not in its archive.",
            "The store was damaged or changed by hand; analyse the video again.",
        ) from error


def _member(pts_us: int) -> str:
    return f"{pts_us:013d}us.jpg"
