"""Comparing two stored versions over all videos that are scored by both."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from clipwarden.rescoring.comparing import Comparison, Side
from clipwarden.rescoring.conditions import Conditions
from clipwarden.rescoring.document import DiffDocument
from clipwarden.rescoring.parts import Part, StoredParts, flags_of_parts
from clipwarden.rescoring.run import Watcher
from clipwarden.rescoring.versions import StoredVersion
from clipwarden.rescoring.works import StoredWork, count_works, stored_works
from ingest.stores import Stores
from worker.errors import ResultMissing


def diff_versions(
    stores: Stores,
    tenant: str,
    old: StoredVersion,
    new: StoredVersion,
    conditions: Conditions,
    watcher: Watcher,
    label: str | None = None,
) -> DiffDocument:
    """Compare two versions; `label` leaves out all but it and its children.

    Each version is judged by its own segments alone. Raises BlobMissing, BlobCorrupt where a prompt
    set is lost.
    """
    parts, comparison = StoredParts(stores, tenant), Comparison(label)
    changes, only_old, only_new = [], 0, 0
    watcher.begin("comparing", count_works(stores, tenant))
    for stored in stored_works(stores, tenant):
        chosen = None if stored is None else _chosen(parts, stored, conditions)
        if chosen is not None:
            before = parts.find(chosen.work, old.version)
            after = parts.find(chosen.work, new.version)
            if before is not None and after is not None:
                change = comparison.add(chosen, _side(before), _side(after))
                changes += [] if change is None else [change]
            only_old += before is not None and after is None
            only_new += before is None and after is not None
        watcher.advanced()
    return DiffDocument(
        old=old.info,
        new=new.info,
        counts=comparison.counts(),
        only_old=only_old,
        only_new=only_new,
        changes=tuple(changes),
    )


def _chosen(parts: StoredParts, stored: StoredWork, conditions: Conditions) -> StoredWork | None:
    rows = []
    for row in stored.submissions:
        # One that is deleted in this moment meets nothing.
        with suppress(ResultMissing):
            if conditions.hold(row, partial(parts.shown, row)):
                rows.append(row)
    return StoredWork(stored.work, tuple(rows)) if rows else None


def _side(part: Part) -> Side:
    return Side(part.segments, flags_of_parts([part]))
