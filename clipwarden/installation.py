"""Where an installation's stores are, and whether somebody serves it."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from clipwarden.data_folder import DataFolder
from clipwarden.errors import (
    DataFolderUnusable,
    ServiceNotRunning,
    SqliteWithRemoteQueue,
    StoresNotNamed,
)
from clipwarden.queue_socket import socket_of_last_server
from ingest.settings import StoreSettings

# Locked while a service works on the data folder; its text says which queue server it uses.
_SERVED_NAME = "served"
_EMBEDDED = "embedded"
_BY_URL = "REDIS_URL"

_NO_HOST_NAME = "host"


@dataclass(frozen=True)
class StoreEnvironment:
    """The stores that the environment or options name; None means the data folder's own."""

    redis_url: str | None = None
    database_url: str | None = None
    blob_url: str | None = None


def host_name(name: str | None = None) -> str:
    """This machine's name, or the one given, reduced to what queue names are made of."""
    reduced = re.sub(r"[^a-z0-9]+", "-", (name or socket.gethostname()).lower()).strip("-")
    return reduced or _NO_HOST_NAME


def resolve_stores(
    folder: DataFolder, environment: StoreEnvironment, redis_url: str
) -> StoreSettings:
    """Complete an installation's stores with the data folder's own; or SqliteWithRemoteQueue."""
    return _settings(
        redis_url,
        environment.database_url or folder.database_url,
        environment.blob_url or folder.blob_url,
    )


def named_stores(environment: StoreEnvironment) -> StoreSettings:
    """The stores where all three are named; raises StoresNotNamed, SqliteWithRemoteQueue."""
    named = {
        "REDIS_URL": environment.redis_url,
        "CLIPWARDEN_DATABASE_URL": environment.database_url,
        "CLIPWARDEN_BLOB_URL": environment.blob_url,
    }
    missing = [name for name, value in named.items() if not value]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise StoresNotNamed(
            f"{_listed(missing)} {are} not set.",
            f"To join an installation from another host, set {_listed(list(named))} to its own; "
            "to join `clipwarden serve` on this machine, name its folder with --data DIR.",
        )
    redis_url, database_url, blob_url = (value or "" for value in named.values())
    return _settings(redis_url, database_url, blob_url)


def installation_stores(folder: DataFolder, environment: StoreEnvironment) -> StoreSettings:
    """The stores of the installation that works on a data folder, for those who talk to it.

    Where REDIS_URL names its queue server, somebody on any host may be serving it. Raises
    ServiceNotRunning, SqliteWithRemoteQueue, DataFolderUnusable.
    """
    if environment.redis_url:
        return resolve_stores(folder, environment, environment.redis_url)
    queue = served_queue(folder)
    socket_path = socket_of_last_server(folder) if queue == _EMBEDDED else None
    if queue == _BY_URL:
        raise ServiceNotRunning(
            f"the service on {folder.root} uses a queue server of its own, and REDIS_URL is "
            "not set here.",
            "Set REDIS_URL as it is set for clipwarden serve.",
        )
    if socket_path is None:
        raise ServiceNotRunning(
            f"nobody serves the data folder {folder.root}.",
            f"Start it: clipwarden serve --data {folder.root}",
        )
    return resolve_stores(folder, environment, f"unix://{socket_path}")


@contextmanager
def serving(folder: DataFolder, environment: StoreEnvironment) -> Iterator[None]:
    """Tell other commands that this process serves the data folder, until it ends anyhow."""
    path = _served_path(folder)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path, error) from error
    with os.fdopen(descriptor, "r+b") as note:
        # Those who look hold it for an instant.
        fcntl.flock(note, fcntl.LOCK_EX)
        note.truncate(0)
        note.write((_BY_URL if environment.redis_url else _EMBEDDED).encode())
        note.flush()
        yield


def served_queue(folder: DataFolder) -> str | None:
    """Whose queue server the running service uses, `embedded` or `REDIS_URL`; None without one."""
    try:
        with _served_path(folder).open("rb") as note:
            with suppress(BlockingIOError):
                fcntl.flock(note, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
            return _BY_URL if note.read(32) == _BY_URL.encode() else _EMBEDDED
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(_served_path(folder), error) from error


def is_remote(redis_url: str) -> bool:
    """Say whether a queue server's URL names another host; one that is no URL does not."""
    try:
        parts = urlsplit(redis_url)
        host = parts.hostname
    except ValueError:
        return False
    if parts.scheme == "unix" or host in (None, "localhost"):
        return False
    try:
        return not ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return True


def _settings(redis_url: str, database_url: str, blob_url: str) -> StoreSettings:
    if database_url.startswith("sqlite") and is_remote(redis_url):
        raise SqliteWithRemoteQueue(
            f"the queue server is on another host ({urlsplit(redis_url).hostname}), but the "
            "database is a file of this one, where workers on other hosts find nothing.",
            "Set CLIPWARDEN_DATABASE_URL to a PostgreSQL database: "
            "postgresql+psycopg://USER:PASSWORD@HOST/NAME.",
        )
    return StoreSettings(
        redis_url=SecretStr(redis_url), database_url=SecretStr(database_url), blob_url=blob_url
    )


def _served_path(folder: DataFolder) -> Path:
    return folder.queue_folder / _SERVED_NAME


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _unusable(path: Path, error: OSError) -> DataFolderUnusable:
    return DataFolderUnusable(
        f"{path} can't be used: {error.strerror or error}.", "Mend that, or remove it."
    )
