"""`python -P -m tests.ingest.queue_worker`: a worker process whose jobs tell what happens to them.

Each job has an id and works on until the key `go:<id>` is there. What it does stands in the list
`events`, and what it commits in the list `committed`.
"""

from __future__ import annotations

import signal
import sys
import time

from ingest.errors import DatabaseLocked, MediaUnreadable
from ingest.queue.attempts import Handler
from ingest.queue.claims import Claim
from ingest.queue.identity import WorkerIdentity
from ingest.queue.reaching import reaching_queue
from ingest.queue.runner import run_process
from ingest.queue.worker import PinnedWorker, build_worker
from ingest.settings import ProcessSettings
from ingest.stores import Stores
from prompts.errors import ClipwardenError

POLL_S = 0.01


class QueueWorkerSettings(ProcessSettings):
    """The queues that the process serves, in order."""

    queues: tuple[str, ...]


class TellingJobs:
    """Jobs that do one thing each."""

    def __init__(self, stores: Stores) -> None:
        self._redis = stores.redis

    @property
    def handlers(self) -> dict[str, Handler]:
        """What each kind of job does; see the methods."""
        return {
            "work": Handler(self.work, self.give_up),
            "loaded": Handler(self.work, self.give_up, self.load),
            "hang": Handler(self.hang, self.give_up),
            "fail": Handler(self.fail, self.give_up),
            "bad": Handler(self.be_bad, self.give_up),
            "grow": Handler(self.grow, self.give_up),
        }

    def load(self, args: object) -> str:
        """Tell that its data is loaded, which lasts as long as `hold:<id>` is there."""
        name = _name(args)
        self._tell("loading", name)
        while self._has(f"hold:{name}"):
            time.sleep(POLL_S)
        return f"data of {name}"

    def work(self, args: object, claim: Claim) -> None:
        """Work until told to go on, confirm, commit; pause while `shortage` is there."""
        name = _name(args)
        if claim.loaded is not None:
            assert claim.loaded == f"data of {name}"
        self._tell("began", name)
        while not self._has(f"go:{name}"):
            self._pause_for_shortage()
            time.sleep(POLL_S)
        claim.confirm()
        with reaching_queue():
            self._redis.rpush("committed", name)
        self._tell("ended", name)

    def hang(self, args: object, _claim: Claim) -> None:
        """Be where no signal reaches, as in a device's driver."""
        self._tell("began", _name(args))
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        time.sleep(600)

    def fail(self, args: object, _claim: Claim) -> None:
        """Raise what nobody foresaw."""
        self._tell("began", _name(args))
        raise RuntimeError("of no input's fault")

    def be_bad(self, args: object, _claim: Claim) -> None:
        """Find the input at fault."""
        self._tell("began", _name(args))
        raise MediaUnreadable("no video.", "Convert it.")

    def grow(self, args: object, _claim: Claim) -> None:
        """Leave 64 MB behind."""
        self._kept = b"\1" * (64 * 2**20)
        self._tell("ended", _name(args))

    def give_up(self, args: object, error: ClipwardenError) -> None:
        """Tell the error's code, once there is no shortage."""
        self._tell("giving up", _name(args))
        self._pause_for_shortage()
        self._tell(f"gave up with {error.code}", _name(args))

    def _pause_for_shortage(self) -> None:
        if self._has("shortage"):
            raise DatabaseLocked("somebody holds it.", "Wait.")

    @reaching_queue()
    def _has(self, key: str) -> bool:
        return bool(self._redis.exists(key))

    @reaching_queue()
    def _tell(self, what: str, name: str) -> None:
        self._redis.rpush("events", f"{what} {name}")


def _name(args: object) -> str:
    assert isinstance(args, dict)
    name = args["name"]
    assert isinstance(name, str)
    return name


def build(settings: QueueWorkerSettings, stores: Stores) -> PinnedWorker:
    """Return the worker of a process."""
    return build_worker(
        WorkerIdentity("test", settings.host),
        settings.queues,
        TellingJobs(stores).handlers,
        stores.redis,
        settings.limits,
    )


if __name__ == "__main__":
    sys.exit(run_process("test", QueueWorkerSettings, build))
