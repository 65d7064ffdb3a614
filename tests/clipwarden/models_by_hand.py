"""Safetensors written byte by byte, so that they can also be wrong; and a home of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.clipwarden.command import Product
from tests.servers.hub import Hub

REPO = "someone/tiny-clip"


def entry(begin: int, end: int, *shape: int, dtype: str = "F32") -> dict[str, Any]:
    """What a header tells of one tensor."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def write_weights(path: Path, header: object, data: bytes) -> Path:
    """Write a safetensors file with that header, be it true or not."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def pad_weights(path: Path, size_bytes: int) -> None:
    """Make weights as large as real ones, by a tensor that the network has no use for."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header: dict[str, Any] = json.loads(raw[8 : 8 + length])
    data = raw[8 + length :]
    header["padding"] = entry(len(data), len(data) + size_bytes, size_bytes, dtype="U8")
    pattern = bytes(range(251)) * (size_bytes // 251 + 1)
    write_weights(path, header, data + pattern[:size_bytes])


def at_home(product: Product, hub: Hub | None, **environment: str) -> Product:
    """The product with a hub's cache and a user's cache of its own; without a hub it is offline."""
    home = product.data.parent
    place = {"HF_HUB_OFFLINE": "1"} if hub is None else {"HF_ENDPOINT": hub.url}
    settings: Mapping[str, str] = {
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(home / "hf"),
        "XDG_CACHE_HOME": str(home / "cache"),
    }
    return Product(product.data, {**settings, **place, **environment}, product.mark)
