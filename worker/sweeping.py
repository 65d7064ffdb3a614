"""Deleting what killed processes left in the blob store, which no row names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import structlog
from pydantic import ValidationError

from ingest.keys import pixels_root
from ingest.queue.payloads import Work
from ingest.stores import Stores
from ingest.submissions import unfinished_of

_PARTIAL_S = 24 * 3600.0

_log = structlog.get_logger("clipwarden.sweeping")


def sweep_pixels(stores: Stores) -> int:
    """Delete pixels that no unfinished submission needs; returns how many works' there were.

    Each is deleted by the job that used it; this is for those whose job was lost.
    """
    swept = 0
    for folder, work in _works_with_pixels(stores):
        if work is None or not unfinished_of(stores.database, work):
            stores.blobs.delete_tree(folder)
            swept += 1
    return swept


def sweep_partial(stores: Stores) -> None:
    """Delete what writers that were killed more than a day ago left of blobs."""
    if swept := stores.blobs.sweep_partial(_PARTIAL_S):
        _log.info("what killed writers left was deleted", count=swept)


def _works_with_pixels(stores: Stores) -> Iterator[tuple[str, Work | None]]:
    """Every folder of pixels and the work it is named after, or None for a name of no work."""
    blobs = stores.blobs
    for tenant in blobs.children(""):
        root = pixels_root(tenant)
        for sha256 in blobs.children(root):
            for sampling_key in blobs.children(f"{root}/{sha256}"):
                for model_key in blobs.children(f"{root}/{sha256}/{sampling_key}"):
                    names = {
                        "tenant": tenant,
                        "media_sha256": sha256,
                        "sampling_key": sampling_key,
                        "model_key": model_key,
                    }
                    folder = f"{root}/{sha256}/{sampling_key}/{model_key}"
                    with suppress(ValidationError):
                        yield folder, Work.model_validate(names)
                        continue
                    yield folder, None
