"""Worker processes and a queue server to do harm to, and what can be asked about the jobs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pydantic import SecretStr
from redis import Redis
from rq.utils import as_text

import tests
from clipwarden.data_folder import DataFolder
from clipwarden.migrations import migrate
from clipwarden.queue_server import server_binary
from ingest.claiming import claim_blobs
from ingest.errors import Passing
from ingest.queue.attempts import Handler
from ingest.queue.connection import connect, open_queue
from ingest.queue.leases import Lease
from ingest.queue.reaper import Reaper
from ingest.queue.upkeep import release_due
from ingest.settings import StoreSettings, WorkerLimits
from ingest.stores import Stores
from tests.ingest.queue_worker import QueueWorkerSettings

PATIENCE_S = 30.0

_REPOSITORY = Path(tests.__file__).parent.parent


def wait_for(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds; fails the test where it doesn't come to hold."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s"
        time.sleep(0.02)


@dataclass
class WorkerProcess:
    """A started worker process."""

    process: subprocess.Popen[str]
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for its end and return its exit status."""
        return self.process.wait(timeout_s)

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def logged(self, event: str) -> bool:
        """Whether it wrote a log line with that event."""
        lines = self.log.read_text().splitlines()
        return any(json.loads(line)["event"] == event for line in lines if line.startswith("{"))


@dataclass
class Bench:
    """One queue server and the worker processes that a test started on it."""

    settings: StoreSettings
    redis: Redis
    folder: Path
    processes: list[WorkerProcess] = field(default_factory=list)

    def start(self, *queues: str, limits: WorkerLimits | None = None) -> WorkerProcess:
        """Start a worker process on these queues; it takes jobs when `ready` returns."""
        settings = QueueWorkerSettings(
            stores=self.settings, host="here", queues=queues, limits=limits or WorkerLimits()
        )
        log = self.folder / f"worker-{len(self.processes)}.log"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.ingest.queue_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=os.environ | {"PYTHONPATH": str(_REPOSITORY)},
            )
        assert process.stdin is not None
        process.stdin.write(json.dumps(settings.model_dump(mode="json")) + "\n")
        process.stdin.flush()
        self.processes.append(WorkerProcess(process, log))
        return self.processes[-1]

    def ready(self, *workers: WorkerProcess) -> None:
        """Wait until these take jobs."""
        for worker in workers:
            assert worker.process.stdout is not None
            line = worker.process.stdout.readline()
            assert line, worker.log.read_text()
            assert json.loads(line)["ready"]

    def enqueue(self, queue: str, kind: str, name: str, timeout_s: int = 600) -> None:
        """Queue a job of a kind that the worker process knows; its name is its id."""
        open_queue(queue, self.redis).enqueue(
            kind, {"name": name}, job_id=name, job_timeout=timeout_s, result_ttl=0
        )

    def go(self, *names: str) -> None:
        """Let jobs end."""
        for name in names:
            self.redis.set(f"go:{name}", 1)

    def events(self) -> list[str]:
        """What happened to the jobs so far, in order."""
        return [as_text(event) for event in self.redis.lrange("events", 0, -1)]

    def committed(self) -> list[str]:
        """What was committed so far, in order."""
        return [as_text(name) for name in self.redis.lrange("committed", 0, -1)]

    def waiting(self, queue: str) -> list[str]:
        """The jobs that wait on a queue, in order."""
        return [as_text(name) for name in self.redis.lrange(f"rq:queue:{queue}", 0, -1)]

    def started(self, queue: str) -> list[str]:
        """The jobs of a queue that are leased."""
        return [lease.job_id for lease in leases_of(self.redis, queue)]

    def wait_for_event(self, event: str, times: int = 1, timeout_s: float = PATIENCE_S) -> None:
        """Wait until something happened so many times."""
        wait_for(lambda: self.events().count(event) >= times, timeout_s)

    def end_all(self) -> None:
        """Kill what still runs, frozen ones too."""
        for worker in self.processes:
            with suppress(ProcessLookupError):
                worker.process.kill()
            worker.process.wait()
            for pipe in (worker.process.stdin, worker.process.stdout):
                assert pipe is not None
                pipe.close()


def leases_of(redis: Redis, queue: str) -> list[Lease]:
    """What stands in a queue's set of started jobs; only looked at, as a dashboard does."""
    members = cast(list[bytes], redis.zrange(f"rq:wip:{queue}", 0, -1))
    return [Lease.parse(queue, as_text(member)) for member in members]


def store_settings_on(url: str, folder: Path) -> StoreSettings:
    """Settings of stores of which only the queue is used."""
    data = DataFolder.prepare(folder)
    return StoreSettings(
        redis_url=SecretStr(url),
        database_url=SecretStr(data.database_url),
        blob_url=data.blob_url,
    )


@contextmanager
def bench_on(settings: StoreSettings, folder: Path) -> Iterator[Bench]:
    """A bench on a queue server; kills the processes that were started on it."""
    with closing(Stores.open(settings)) as stores:
        migrate(stores.database)
        claim_blobs(stores)
    redis = connect(settings.redis_url.get_secret_value())
    bench = Bench(settings, redis, folder)
    try:
        yield bench
    finally:
        bench.end_all()
        redis.close()


@contextmanager
def keeping(url: str, queues: Sequence[str], handlers: Mapping[str, Handler]) -> Iterator[None]:
    """Reap, and release what is due, four times a second beside the test."""
    redis, stopped = connect(url), threading.Event()
    reaper = Reaper(redis, handlers)

    def keep() -> None:
        while not stopped.wait(0.25):
            with suppress(Passing):
                reaper.reap()
                for queue in queues:
                    release_due(redis, queue)

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        redis.close()


class MortalServer:
    """A queue server on a socket and an append-only file of its own, to be killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = DataFolder.prepare(folder)
        self._socket = self._folder.socket_folder / "mortal.sock"
        self._socket.parent.mkdir(mode=0o700, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start it on its file, and wait until it answers."""
        options = ("--port", "0", "--unixsocket", str(self._socket), "--appendonly", "yes")
        self._process = subprocess.Popen(
            [str(server_binary()), *options, "--save", "", "--dir", str(self._folder.queue_folder)],
            stdout=subprocess.DEVNULL,
        )
        wait_for(self._answers)

    def kill(self) -> None:
        """Kill it, as a lack of memory does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def remove(self) -> None:
        """Kill it if it lives, and remove its socket."""
        if self._process is not None:
            self.kill()
        self._socket.unlink(missing_ok=True)
        self._socket.parent.rmdir()

    def _answers(self) -> bool:
        with suppress(Passing):
            connect(self.url).close()
            return True
        return False
