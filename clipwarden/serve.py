"""`serve` and `work`: an installation's processes, supervised until somebody ends it."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from clipwarden.api.settings import ApiSettings
from clipwarden.child import Role, Stage
from clipwarden.data_folder import DataFolder
from clipwarden.events import Observer
from clipwarden.installation import StoreEnvironment, resolve_stores, serving
from clipwarden.migrations import migrate, require_current
from clipwarden.processes import WorkerProcesses
from clipwarden.queue_server import QueueServer, watched_server
from clipwarden.restarts import FOR_A_SERVICE
from clipwarden.roles import embedder, finisher, keeper, sampler, usable_cores
from ingest.claiming import claim_stores, join_stores
from ingest.media.limits import DecodeLimits
from ingest.settings import ProcessSettings, StoreSettings, WorkerLimits
from ingest.stores import Stores
from worker.models.card import ModelCard
from worker.settings import Duty, Retention

_CHECK_PERIOD_S = 0.2

# What a killed service left behind ends by itself within this time, and frees the API's port.
_PORT_TIMEOUT_S = 6.0

# Without one of each, some video would wait for ever. As they name themselves where they say
# that they are at work.
_NEEDED_ROLES = ("sample", "embed", "finish", "scheduler", "reaper")

WhenReady = Callable[[], None]


@dataclass(frozen=True)
class ServeSettings:
    """What one machine runs: `devices` names one embedding process each."""

    environment: StoreEnvironment
    model: ModelCard
    devices: tuple[str, ...]
    batch_size: int | None
    samplers: int
    max_queued_bytes: int
    host_name: str
    api_host: str
    api_port: int
    limits: WorkerLimits
    retention: Retention
    decoding: DecodeLimits = field(default_factory=DecodeLimits)


def serve(
    folder: DataFolder,
    settings: ServeSettings,
    observer: Observer,
    when_ready: WhenReady,
) -> NoReturn:
    """Run a whole installation until an interrupt, then end it in order, the queue server last.

    `when_ready` is called once, when every process has said that it is. Raises DataFolderInUse;
    ServerFailed and its like where the start fails; WorkerRefused where a process can't work and
    never could.
    """
    with ExitStack() as stack:
        stack.enter_context(folder.lock())
        server = None
        redis_url = settings.environment.redis_url
        if not redis_url:
            server = stack.enter_context(watched_server(folder, observer))
            redis_url = server.url
        stores = resolve_stores(folder, settings.environment, redis_url)
        _prepare(stores)
        stack.enter_context(serving(folder, settings.environment))
        _await_port(settings.api_host, settings.api_port)
        _supervise(service_roles(settings, stores), folder.logs, observer, when_ready, server)


def work(role: Role, stores: StoreSettings, observer: Observer, when_ready: WhenReady) -> NoReturn:
    """Run one role for an installation that is served elsewhere, until an interrupt.

    Raises QueueUnavailable, QueueTaken, BlobStoreTaken, BlobStoreNotOurs, DatabaseUnavailable,
    DatabaseOutdated, WorkerRefused.
    """
    with closing(Stores.open(stores)) as opened:
        require_current(opened.database)
        join_stores(opened)
    _supervise([role], None, observer, when_ready)


def service_roles(settings: ServeSettings, stores: StoreSettings) -> list[Role]:
    """The processes of one machine, named `sample-1`, `embed-0` and so on."""
    shared = ProcessSettings(stores=stores, host=settings.host_name, limits=settings.limits)
    card = settings.model.to_json()
    threads = max(1, usable_cores() // len(settings.devices))
    api = ApiSettings(
        stores=stores,
        host=settings.api_host,
        port=settings.api_port,
        expected_roles=_NEEDED_ROLES,
    )
    return [
        *(
            sampler(f"sample-{number}", shared, settings.max_queued_bytes, settings.decoding)
            for number in range(1, settings.samplers + 1)
        ),
        *(
            embedder(f"embed-{number}", shared, card, device, threads, settings.batch_size)
            for number, device in enumerate(settings.devices)
        ),
        finisher("finish", shared),
        keeper("scheduler", shared, (Duty.SCHEDULE,), settings.retention),
        keeper("reaper", shared, (Duty.REAP,)),
        Role("api", "clipwarden.api.server", api, stage=Stage.ANSWER),
    ]


def _prepare(stores: StoreSettings) -> None:
    """Bring the database to this release's schema, and make sure that the stores are ours."""
    with closing(Stores.open(stores)) as opened:
        migrate(opened.database)
        claim_stores(opened)


def _await_port(host: str, port: int) -> None:
    """Wait a moment for a port that is taken; if it stays so, the API process says it."""
    deadline = time.monotonic() + _PORT_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            # Like the API's own: connections that linger are no hindrance.
            socket.create_server((host, port)).close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return
            time.sleep(_CHECK_PERIOD_S)
        else:
            return


def _supervise(
    roles: list[Role],
    logs: Path | None,
    observer: Observer,
    when_ready: WhenReady,
    server: QueueServer | None = None,
) -> NoReturn:
    was_ready = False
    with WorkerProcesses(roles, logs, FOR_A_SERVICE, observer) as workers:
        while True:
            if server is not None:
                server.check()
            workers.check()
            if not was_ready and workers.all_ready():
                was_ready = True
                when_ready()
            time.sleep(_CHECK_PERIOD_S)
