"""What the process behind `clipwarden embed` is told and how it answers; imports no torch.

The request is one line of JSON on stdin. Every message after it, either way, is a kind (one
byte), a length (uint32, big endian) and that many bytes. Batches of pixels or of texts go in;
for each, in order, vectors come out. Before the first, the process says what it is busy with, and
then where it runs; an error ends the answers at any place.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import IO

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

PIXELS = b"P"
TEXTS = b"T"
STEP = b"S"
READY = b"R"
VECTORS = b"V"
ERROR = b"E"

MAX_BATCH_SIZE = 1024

_HEADER = struct.Struct(">cI")
_FLOAT = np.dtype("<f4")


class VectorSettings(BaseModel):
    """What the process needs; `model_card` is the JSON of a ModelCard.

    `cpus` are the processors near the card, which it is to run on; without any it takes all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_card: str
    device: str
    batch_size: int = Field(ge=1, le=MAX_BATCH_SIZE)
    cpus: tuple[int, ...] = ()


def write_message(out: IO[bytes], kind: bytes, payload: bytes | memoryview) -> None:
    """Send one message; raises OSError, such as BrokenPipeError where nobody reads."""
    out.write(_HEADER.pack(kind, len(payload)))
    out.write(payload)
    out.flush()


def read_message(source: IO[bytes]) -> tuple[bytes, bytes]:
    """Return the next message's kind and payload; raises EOFError where it does not come whole."""
    header = source.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise EOFError
    kind, length = _HEADER.unpack(header)
    payload = source.read(length)
    if len(payload) < length:
        raise EOFError
    return kind, payload


def pack_texts(texts: Sequence[str]) -> bytes:
    """The payload of a batch of texts."""
    return json.dumps(texts).encode()


def unpack_texts(payload: bytes) -> list[str]:
    """Rebuild texts from `pack_texts`."""
    texts: list[str] = json.loads(payload)
    return texts


def unpack_pixels(payload: bytes, size_px: int) -> NDArray[np.uint8]:
    """Pixels as uint8 `[n, size, size, 3]`, read-only; raises ValueError for parts of pictures."""
    return np.frombuffer(payload, np.uint8).reshape(-1, size_px, size_px, 3)


def pack_vectors(vectors: NDArray[np.float32]) -> bytes:
    """The payload of vectors `[n, dimension]`."""
    return vectors.astype(_FLOAT, copy=False).tobytes()


def unpack_vectors(payload: bytes, dimension: int) -> NDArray[np.float32]:
    """Vectors as float32 `[n, dimension]`, read-only; raises ValueError for parts of vectors."""
    return np.frombuffer(payload, _FLOAT).reshape(-1, dimension)
