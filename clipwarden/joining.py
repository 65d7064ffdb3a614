"""Talking to an installation that is running: its stores, opened and found to be the right ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clipwarden.data_folder import DataFolder
from clipwarden.installation import StoreEnvironment, installation_stores
from clipwarden.migrations import require_current
from ingest.queue.connection import claim_server
from ingest.stores import Stores
from ingest.submissions import installation_id


@contextmanager
def joined_stores(folder: DataFolder, environment: StoreEnvironment) -> Iterator[Stores]:
    """Open the stores of the installation that works on a data folder; starts nothing.

    Raises ServiceNotRunning, SqliteWithRemoteQueue, QueueUnavailable, QueueTaken,
    DatabaseOutdated, DatabaseUnavailable.
    """
    stores = Stores.open(installation_stores(folder, environment))
    try:
        require_current(stores.database)
        claim_server(stores.redis, installation_id(stores.database))
        yield stores
    finally:
        stores.close()
