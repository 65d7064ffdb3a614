"""Arrays as bytes for the blob store: numpy's own archive, never anything pickled."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.errors import BlobCorrupt


def pack_arrays(**arrays: NDArray[Any]) -> bytes:
    """Return an uncompressed `.npz` of the named arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack_arrays(content: bytes) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of `pack_arrays`; raises BlobCorrupt for anything else."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise BlobCorrupt(
            f"a stored blob holds no arrays: {error}.",
            "The store was damaged or changed by hand; analyse the video again.",
        ) from error
