"""Where stored results lie, for commands that read them or score them anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clipwarden.calibration.storing import joined_or_own_stores
from clipwarden.data_folder import DataFolder
from clipwarden.errors import ServiceNotRunning
from clipwarden.installation import StoreEnvironment, served_queue
from clipwarden.joining import joined_stores
from ingest.stores import Stores


@contextmanager
def result_stores(folder: DataFolder, environment: StoreEnvironment) -> Iterator[Stores]:
    """Open the stores of an installation, be it served or not.

    A folder where nothing is stored is left as it is. Raises ServiceNotRunning for that,
    DataFolderInUse, DataFolderUnusable, and what `joined_stores` raises.
    """
    is_elsewhere = bool(environment.redis_url and environment.database_url)
    if is_elsewhere or served_queue(folder) is not None:
        # As others do who talk to it: neither lock nor migration is theirs.
        opened = joined_stores(folder, environment)
    elif environment.database_url or _holds_database(folder):
        opened = joined_or_own_stores(folder, environment)
    else:
        raise ServiceNotRunning(
            f"nothing is stored in the data folder {folder.root}, and nobody serves it.",
            f"Name another with --data DIR, or start it: clipwarden serve --data {folder.root}",
        )
    with opened as stores:
        yield stores


def _holds_database(folder: DataFolder) -> bool:
    try:
        return folder.database.is_file()
    except OSError:
        # Opening it tells what is wrong.
        return True
