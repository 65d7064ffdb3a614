"""All the files of the zoo."""

from __future__ import annotations

from tests.media.zoo import (
    containers,
    damaged,
    lying,
    malicious,
    mistimed,
    not_media,
    odd_matroska,
    oversized,
    retimed,
    stills,
)
from tests.media.zoo.entry import Entry

KINDS = {
    "not media": not_media.entries,
    "containers": containers.entries,
    "stills": stills.entries,
    "damaged": damaged.entries,
    "mistimed": mistimed.entries,
    "retimed": retimed.entries,
    "oversized": oversized.entries,
    "lying": lying.entries,
    "odd matroska": odd_matroska.entries,
    "malicious": malicious.entries,
}


def every_entry() -> list[Entry]:
    """Return every file with what is right for it, kind by kind; no two have one name."""
    return [one for entries in KINDS.values() for one in entries()]
