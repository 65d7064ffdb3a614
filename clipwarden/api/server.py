"""`python -P -m clipwarden.api.server`: the process that serves HTTP.

It starts whether or not queue server and database do, and tells of them from then on.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys

import uvicorn
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from clipwarden.api.app import create_app
from clipwarden.api.errors import AddressInUse, AddressUnusable
from clipwarden.api.settings import ApiSettings
from ingest.blobs import BlobStore
from ingest.database import Database
from ingest.errors import QueueUnavailable
from ingest.queue.process import (
    EXIT_FAILED,
    announce_failure,
    end_with_parent,
    log_to_stderr,
    read_settings,
)
from ingest.settings import StoreSettings
from ingest.stores import Stores
from prompts.errors import ClipwardenError

# Within what whoever started it waits before it kills.
_STOP_TIMEOUT_S = 3

# Below what an answer may take: the reason is worth more than that there is none.
_QUEUE_TIMEOUT_S = 1.0

_BACKLOG = 128


def main() -> int:
    """Read settings, listen, serve until told to stop; return the exit status."""
    log_to_stderr("api")
    settings = read_settings(ApiSettings)
    _exit_when_told_to()
    end_with_parent()
    try:
        listener = listen(settings.host, settings.port)
        stores = open_stores(settings.stores)
    except ClipwardenError as error:
        announce_failure(error)
        return EXIT_FAILED
    app = create_app(stores, settings.expected_roles)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        # Nobody in front of it is known, so nobody is believed.
        proxy_headers=False,
        timeout_graceful_shutdown=_STOP_TIMEOUT_S,
    )
    try:
        _AnnouncingServer(config).run(sockets=[listener])
    finally:
        stores.close()
    return 0


class _AnnouncingServer(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say ready once requests are answered, with the port, which the system may have chosen."""
        await super().startup(sockets)
        assert sockets is not None
        port = sockets[0].getsockname()[1]
        sys.stdout.write(json.dumps({"ready": True, "pid": os.getpid(), "port": port}) + "\n")
        sys.stdout.flush()


def listen(host: str, port: int) -> socket.socket:
    """Listen at an address of this machine; raises AddressInUse, AddressUnusable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _unusable(host, port, error) from error
    try:
        # A port of which old connections linger may be taken again at once.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _unusable(host, port, error) from error
    return listener


def open_stores(settings: StoreSettings) -> Stores:
    """Prepare the three stores without connecting; raises QueueUnavailable for a broken URL."""
    try:
        redis = Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_connect_timeout=_QUEUE_TIMEOUT_S,
            socket_timeout=_QUEUE_TIMEOUT_S,
            # Once more, at once: a kept connection may be one to a server that was restarted.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError, RedisTimeoutError)),
        )
    except ValueError as error:
        # Without the words of the error, which may repeat a part of the password.
        raise QueueUnavailable(
            "the queue server can't be reached: REDIS_URL is no URL that redis-py reads.",
            "Write redis://HOST:PORT/DB, special characters of a password percent-encoded.",
        ) from error
    return Stores(
        redis=redis,
        database=Database(settings.database_url.get_secret_value()),
        blobs=BlobStore(settings.blob_url),
    )


def _unusable(host: str, port: int, error: OSError) -> AddressInUse | AddressUnusable:
    address = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return AddressInUse(
            f"another process listens at {address}.",
            "End it, or serve at another port with --port.",
        )
    return AddressUnusable(
        f"can't listen at {address}: {error.strerror or error}.",
        "Name an address of this machine with --host, and a port above 1023 with --port.",
    )


def _exit_when_told_to() -> None:
    """End with status 0 when asked to stop, at any time.

    uvicorn stops by its own handlers and then raises the signal once more.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit(0))


if __name__ == "__main__":
    sys.exit(main())
