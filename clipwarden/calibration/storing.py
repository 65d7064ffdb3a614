"""The stores of a data folder, for commands that neither analyse nor need a service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from clipwarden.data_folder import DataFolder
from clipwarden.installation import StoreEnvironment, resolve_stores, served_queue
from clipwarden.joining import joined_stores
from clipwarden.migrations import migrate, require_current
from clipwarden.queue_server import running_server
from ingest.claiming import claim_stores, join_stores
from ingest.stores import Stores


@contextmanager
def joined_or_own_stores(folder: DataFolder, environment: StoreEnvironment) -> Iterator[Stores]:
    """Join the running service's stores; where there is none, lock the folder and open its own.

    Raises DataFolderInUse, DataFolderUnusable, and what `joined_stores` raises.
    """
    if served_queue(folder) is not None:
        with joined_stores(folder, environment) as stores:
            yield stores
        return
    with ExitStack() as stack:
        folder = DataFolder.prepare(folder.root)
        stack.enter_context(folder.lock())
        redis_url = environment.redis_url or stack.enter_context(running_server(folder))
        stores = Stores.open(resolve_stores(folder, environment, redis_url))
        stack.callback(stores.close)
        if environment.database_url:
            # Somebody may be serving it, who is not to find its schema changed.
            require_current(stores.database)
            join_stores(stores)
        else:
            migrate(stores.database)
            claim_stores(stores)
        yield stores
