"""Talking to an installation that is running: its stores, opened and found to be the right ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clipwarden.data_folder import DataFolder
from clipwarden.installation import StoreEnvironment, installation_stores
from clipwarden.migrations import require_current
from ingest.claiming import join_stores
from ingest.stores import Stores


@contextmanager
def joined_stores(folder: DataFolder, environment: StoreEnvironment) -> Iterator[Stores]:
    """Open the stores of the installation that works on a data folder; starts nothing.

    Raises ServiceNotRunning, SqliteWithRemoteQueue, QueueUnavailable, QueueTaken,
    BlobStoreTaken, BlobStoreNotOurs, DatabaseOutdated, DatabaseUnavailable.
    """
    stores = Stores.open(installation_stores(folder, environment))
    try:
        require_current(stores.database)
        join_stores(stores)
        yield stores
    finally:
        stores.close()
