"""Reading the header of a safetensors file, which comes from a stranger; imports no torch.

The format: eight bytes, the header's length as a little-endian number, then the header in JSON,
which tells each tensor's type, shape and place in the bytes that follow
(https://github.com/huggingface/safetensors, "Format").
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.errors import UnsupportedModel

# A tensor takes about 100 bytes of it, and the largest dual encoders have some thousands.
_HEADER_BYTES_MAX = 16 * 1024 * 1024
_LENGTH_BYTES = 8
_RANK_MAX = 8
_NAME_SHOWN = 100
_TYPE_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file: `begin` and `end` count bytes from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_weights_header(path: Path) -> Mapping[str, TensorInfo]:
    """The tensors of a safetensors file by their names; their values are not read.

    Raises UnsupportedModel for a header that is no header, promises what the file does not have,
    or in which tensors overlap or leave bytes that belong to none.
    """
    content, data_bytes = _read_content(path)
    tensors = {
        name: _tensor(path, name, entry, data_bytes)
        for name, entry in content.items()
        if name != "__metadata__"
    }
    if not tensors:
        raise _broken(path, "names no tensors")
    _check_layout(path, tensors, data_bytes)
    return tensors


def _read_content(path: Path) -> tuple[dict[str, Any], int]:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            rest = path.stat().st_size - _LENGTH_BYTES
            if not 0 < length <= rest:
                raise _broken(path, f"is said to have {length} bytes, the file has {rest}")
            if length > _HEADER_BYTES_MAX:
                raise _broken(path, f"has {length} bytes, more than any real one")
            text = file.read(length)
    except OSError as error:
        raise UnsupportedModel(
            f"{path} can't be read: {error.strerror}.", "Check the file's permissions."
        ) from error
    try:
        content = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise _broken(path, f"can't be read as JSON: {str(error)[:_NAME_SHOWN]}") from error
    if not isinstance(content, dict):
        raise _broken(path, "holds no JSON object")
    return content, rest - length


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _tensor(path: Path, name: str, entry: object, data_bytes: int) -> TensorInfo:
    shown = f"{name[:_NAME_SHOWN]!r}"
    if not isinstance(entry, dict):
        raise _broken(path, f"tells nothing of {shown}")
    dtype: Any = entry.get("dtype")
    shape: Any = entry.get("shape")
    place: Any = entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _TYPE_BYTES:
        raise _broken(path, f"gives {shown} the type {str(dtype)[:20]!r}, which we don't know")
    if not _are_counts(shape) or len(shape) > _RANK_MAX:
        raise _broken(path, f"gives {shown} a shape that is none")
    if not _are_counts(place) or len(place) != 2 or not place[0] <= place[1] <= data_bytes:
        raise _broken(path, f"places {shown} outside the file")
    if math.prod(shape) * _TYPE_BYTES[dtype] != place[1] - place[0]:
        raise _broken(path, f"gives {shown} a shape of another size than its bytes")
    return TensorInfo(dtype, tuple(shape), place[0], place[1])


def _are_counts(values: Any) -> bool:
    """Whether this is a list of whole numbers that are not negative, nor past all bounds."""
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value < 2**48 for value in values
    )


def _check_layout(path: Path, tensors: Mapping[str, TensorInfo], data_bytes: int) -> None:
    reached = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.begin != reached:
            what = "over another's bytes" if tensor.begin < reached else "behind bytes of nobody"
            raise _broken(path, f"places {name[:_NAME_SHOWN]!r} {what}")
        reached = tensor.end
    if reached != data_bytes:
        raise _broken(path, f"leaves {data_bytes - reached} bytes at the end to nobody")


def _broken(path: Path, what: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"{path} is no sound safetensors file: its header {what}.",
        "Download the model again; if it was like that where it comes from, don't use it.",
    )
