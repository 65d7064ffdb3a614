"""A worker that stays in one process, renews a short lease, and takes jobs without losing any.

RQ's default worker forks per job, which is wrong for a warm model and unsafe for a card; its
SimpleWorker leases a job for the whole timeout, so a dead worker's job is found minutes later.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, TypeVar

import psutil
import structlog
from redis import Redis
from redis.client import Pipeline, PubSub, PubSubWorkerThread
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import NoSuchJobError, StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker.base import WorkerStatus

from ingest.errors import JobRefused, Passing, QueueError, QueueFailed
from ingest.queue.ahead import Ahead, Taken
from ingest.queue.attempts import Handler, Verdict, attempt, broken_off, refused
from ingest.queue.claims import Claim, Interrupted, Reason
from ingest.queue.connection import open_queue
from ingest.queue.identity import WorkerIdentity, worker_name
from ingest.queue.jobs import AllowlistedJob, fetch_job
from ingest.queue.leases import Count, Outcome, begin, settle, take
from ingest.queue.meters import Meter, add_to_meters
from ingest.queue.presence import announce_presence, withdraw_presence
from ingest.queue.pulse import Pulse, Run
from ingest.settings import WorkerLimits

# RQ's key of a worker that says nothing lives this long, and a minute.
WORKER_TTL_S = 16

# For a job that names none; each of ours does.
_DEFAULT_TIMEOUT_S = 180

# How soon an idle worker sees a new job: four queues are asked in one round trip.
_POLL_S = 0.1

# How soon it sees that a queue server which was gone or full is back.
_OUTAGE_POLL_S = 0.5

Answer = TypeVar("Answer")

_log = structlog.get_logger("clipwarden.queue")


class PinnedWorker(SimpleWorker):
    """Runs jobs in this process while a thread keeps their leases alive."""

    def __init__(
        self,
        queues: Sequence[Queue],
        *,
        identity: WorkerIdentity,
        handlers: Mapping[str, Handler],
        limits: WorkerLimits,
        **options: Any,
    ) -> None:
        super().__init__(queues, **options)
        self._identity = identity
        self._handlers = handlers
        self._limits = limits
        self._jobs_done = 0
        self._process = psutil.Process()
        self._rss_at_start = self._process.memory_info().rss
        self._pulse = Pulse(self.connection, self._announce)
        self._taken: Taken | None = None
        loads = any(handler.load for handler in handlers.values())
        self._ahead = Ahead(self._take, self._load, self._pulse.end_hung) if loads else None
        # Why it ended: because of its limits, because somebody asked it to, or because it broke.
        self.recycled = self.was_told_to_stop = self.broken = False

    def work(self, *args: Any, **options: Any) -> bool:
        """Work until told to stop, or until a limit is reached."""
        self._pulse.start()
        with suppress(QueueError):
            self._announce()
        return bool(super().work(*args, **options))

    def run_maintenance_tasks(self) -> None:
        """Do nothing: one reaper looks for dead workers' jobs, RQ's way of it takes minutes."""
        self.last_cleaned_at = now()  # type: ignore[assignment]  # RQ declares it by its None

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,
        max_idle_time: int | None = None,  # noqa: ARG002 - RQ's signature
    ) -> tuple[Job, Queue] | None:
        """Take the next job, the one loaded ahead first; without a timeout return if none waits."""
        self._show(WorkerStatus.IDLE, None)
        self._taken = self._collect_ahead()
        while self._taken is None:
            if self._stop_requested:
                raise StopRequested
            self._taken = self._persist(self._take)
            if self._taken is None:
                if timeout is None:
                    return None
                time.sleep(_POLL_S)
        return self._taken.job, open_queue(self._taken.lease.queue, self.connection)

    def execute_job(self, job: Job, queue: Queue) -> None:  # noqa: ARG002 - RQ's signature
        """Run the job that was taken, and put it where it then belongs."""
        taken, self._taken = self._taken, None
        assert taken is not None
        run = Run(taken.lease, timeout_s=float(job.timeout or _DEFAULT_TIMEOUT_S))
        self._pulse.watch(run)
        try:
            if self._ahead is not None and not self._stop_requested:
                self._ahead.start()
            self._show(WorkerStatus.BUSY, job.id)
            with structlog.contextvars.bound_contextvars(job=job.id):
                verdict = self._attempt(taken, run)
            self._pulse.watch(None)
            if self._stop_requested or verdict.ends_process:
                # Before its predecessor, which else would come after it in the queue.
                self._hand_back_ahead()
        finally:
            self._pulse.watch(None)
            self._pulse.let_go(taken.lease)
        self._settle(taken, verdict)
        if verdict.ends_process:
            self.broken = self._stop_requested = True
            return
        self._jobs_done += 1
        self._stop_at_limits()

    def get_current_job_id(self, pipeline: Pipeline | None = None) -> str | None:  # noqa: ARG002 - RQ's signature
        """The job at hand, from memory: RQ's key of this worker may be gone, or out of reach."""
        run = self._pulse.current
        return run.lease.job_id if run else None

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Keep RQ's key of this worker; what fails now is made up for by the next one."""
        # A key that is there before the worker's birth would pass for another worker's.
        if self.birth_date is not None:
            with suppress(RedisError):
                super().heartbeat(timeout, pipeline)

    def kill_horse(self, sig: signal.Signals = signal.SIGTERM) -> None:  # noqa: ARG002 - RQ's
        """Break off the job that somebody asked RQ to stop."""
        run = self._pulse.current
        if run is not None and run.lease.job_id == self._stopped_job_id:
            self._pulse.break_off(run, Reason.STOPPED)
        self._stopped_job_id = None

    def _pubsub_exception_handler(
        self,
        exc: Exception,
        pubsub: PubSub,  # noqa: ARG002 - RQ's signature
        pubsub_thread: PubSubWorkerThread,  # noqa: ARG002 - RQ's signature
    ) -> None:
        """Go on listening for commands after anything: RQ would stop for good after a timeout."""
        _log.warning("commands can't be heard", reason=str(exc))
        time.sleep(_OUTAGE_POLL_S)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - RQ's
        """End soon: let a short job end, hand a long one back. A second signal changes nothing.

        RQ would raise where it stands, which may be between a job's taking and its keeping.
        """
        self._stop_requested = self.was_told_to_stop = True
        self._pulse.end_soon()

    def teardown(self) -> None:
        """Give back what was taken ahead, and say that we are gone."""
        self._hand_back_ahead()
        self._pulse.stop()
        withdraw_presence(self.connection, self.name)
        super().teardown()  # type: ignore[no-untyped-call]  # RQ's

    def _take(self) -> Taken | None:
        while lease := take(self.connection, self.queue_names(), self.name):
            self._pulse.hold(lease)
            try:
                job = fetch_job(self.connection, lease.job_id)
            except NoSuchJobError:
                self._pulse.let_go(lease)
                settle(self.connection, lease, Outcome.DONE)
                continue
            except JobRefused as error:
                _log.error("job refused", code=error.code, reason=error.message)
                self._pulse.let_go(lease)
                settle(self.connection, lease, Outcome.DEAD, count=Count.FAILURE)
                add_to_meters(self.connection, {(Meter.JOBS, "dead"): 1})
                continue
            except (Passing, QueueFailed):
                # It lapses.
                self._pulse.let_go(lease)
                raise
            return Taken(job, lease)
        return None

    def _load(self, job: AllowlistedJob) -> object:
        load = job.handler_in(self._handlers).load
        return None if load is None else load(job.args[0])

    def _collect_ahead(self) -> Taken | None:
        """What was taken ahead, unless its lease lapsed meanwhile."""
        taken = None if self._ahead is None else self._ahead.collect()
        return taken if taken is not None and self._pulse.holds(taken.lease) else None

    def _hand_back_ahead(self) -> None:
        taken = self._collect_ahead()
        if taken is not None:
            self._pulse.let_go(taken.lease)
            settle(self.connection, taken.lease, Outcome.AGAIN)

    def _attempt(self, taken: Taken, run: Run) -> Verdict:
        job = taken.job
        try:
            handler = job.handler_in(self._handlers)
        except JobRefused as error:
            return refused(error)
        claim = Claim(self.connection, taken.lease, run.watch, taken.loaded)
        try:
            run.can_be_broken_off = True
            failures, _ = claim.patiently(lambda: begin(self.connection, taken.lease))
            return attempt(handler, job.args[0], claim, failures, run.timeout_s)
        except Interrupted as interruption:
            # Before or after the attempt.
            return broken_off(interruption)
        finally:
            run.can_be_broken_off = False

    def _settle(self, taken: Taken, verdict: Verdict) -> None:
        outcome, label = verdict.outcome, "lost"
        count, delay_s = verdict.count, verdict.delay_s
        if outcome is not None and self._persist(
            lambda: settle(self.connection, taken.lease, outcome, count=count, delay_s=delay_s)
        ):
            label = verdict.label
        add_to_meters(self.connection, {(Meter.JOBS, label): 1})

    def _persist(self, step: Callable[[], Answer]) -> Answer:
        """Repeat a step until the queue server can do it; not if this process is to end."""
        while True:
            try:
                return step()
            except (Passing, QueueFailed) as error:
                _log.warning("waiting for the queue server", code=error.code, reason=error.message)
                if self._stop_requested:
                    raise StopRequested from error
                time.sleep(_OUTAGE_POLL_S)

    def _show(self, state: WorkerStatus, job_id: str | None) -> None:
        """Say it to RQ's own tools; nothing of ours depends on it."""
        with suppress(RedisError):
            self.set_state(state)
            self.set_current_job_id(job_id)

    def _stop_at_limits(self) -> None:
        growth_mb = (self._process.memory_info().rss - self._rss_at_start) / 2**20
        if self._jobs_done >= self._limits.max_jobs or growth_mb > self._limits.max_rss_growth_mb:
            _log.info("making way for a fresh process", jobs=self._jobs_done, growth_mb=growth_mb)
            self.recycled = True
            self._stop_requested = True

    def _announce(self) -> None:
        presence = self._identity.present(
            self.name, self._pulse.current, self._jobs_done, self._process.memory_info().rss
        )
        self.heartbeat()
        announce_presence(self.connection, presence)


def build_worker(
    identity: WorkerIdentity,
    queues: Sequence[str],
    handlers: Mapping[str, Handler],
    connection: Redis,
    limits: WorkerLimits,
) -> PinnedWorker:
    """Return a worker that serves `queues`, in that order, with exactly these handlers."""
    return PinnedWorker(
        [open_queue(name, connection) for name in queues],
        identity=identity,
        handlers=handlers,
        limits=limits,
        name=worker_name(identity.role),
        connection=connection,
        serializer=JSONSerializer,
        job_class=AllowlistedJob,
        worker_ttl=WORKER_TTL_S,
        log_job_description=False,
    )
