"""A worker that stays in one process, renews a short lease, and takes jobs without losing any.

RQ's default worker forks per job, which is wrong for a warm model and unsafe for a card; its
SimpleWorker leases a job for the whole timeout, so a dead worker's job is found minutes later.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker, worker_registration
from rq.exceptions import AbandonedJobError
from rq.job import Job
from rq.registry import clean_registries
from rq.serializers import JSONSerializer
from rq.utils import now

from ingest.errors import JobFailed
from ingest.queue.attempts import Handler
from ingest.queue.connection import open_queue
from ingest.queue.jobs import AllowlistedJob, job_class_for
from ingest.queue.lossless import LosslessQueue

# A dead worker's job may be taken by another this long after its last heartbeat: the promise is
# "back within 15 s". Four beats fit in, so losing one does no harm.
LEASE_S = 12
BEAT_S = 3

# RQ's timeout is a signal that Python sees only between two calls into C. After this grace the
# process ends itself; the supervisor starts another.
HANG_GRACE_S = 30
EXIT_HUNG = 70

# RQ blocks `worker_ttl - 15` seconds on an empty queue and looks for dead workers' jobs only
# between two such waits; the stock values (420 and 600) make recovery a matter of minutes.
WORKER_TTL_S = 16
MAINTENANCE_S = 2

REAPER_LOCK_S = 10

_log = structlog.get_logger("clipwarden.queue")


class PinnedWorker(SimpleWorker):
    """Runs jobs in this process while a thread keeps the lease alive."""

    def get_heartbeat_ttl(self, job: Job) -> int:  # noqa: ARG002 - RQ's signature
        """The lease in seconds, whatever the job's timeout is."""
        return LEASE_S

    def prepare_job_execution(
        self,
        job: Job,
        remove_from_intermediate_queue: bool = True,  # noqa: ARG002 - RQ's signature
    ) -> None:
        """Mark the job as started; every job of ours came through an intermediate list."""
        super().prepare_job_execution(job, remove_from_intermediate_queue=True)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run one job in the main thread, heartbeats beside it."""
        self.prepare_execution(job)
        finished = threading.Event()
        beats = threading.Thread(target=self._keep_lease, args=(job, finished), daemon=True)
        beats.start()
        try:
            self.perform_job(job, queue)
        finally:
            finished.set()
            beats.join(timeout=BEAT_S)
        self.set_state("idle")

    def clean_registries(self) -> None:
        """Look for dead workers' jobs, under a lock of seconds.

        RQ's own lock lives 15 minutes: a worker that dies while it cleans would keep all others
        from finding its jobs.
        """
        for queue in self.queues:
            lock = self.connection.lock(f"clipwarden:reaper:{queue.name}", timeout=REAPER_LOCK_S)
            if not lock.acquire(blocking=False):
                continue
            try:
                clean_registries(queue, self._exc_handlers)
                worker_registration.clean_worker_registry(queue)
                queue.intermediate_queue.cleanup(self, queue)
            finally:
                with contextlib.suppress(RedisError):
                    lock.release()
        self.last_cleaned_at = now()  # type: ignore[assignment]  # RQ declares it by its None

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log what the job raised, with its id."""
        _log.error("job failed", job=job.id, queue=job.origin, exc_info=exc_info)

    def give_up_abandoned(
        self,
        job: AllowlistedJob,
        kind: type[BaseException],
        _error: BaseException,
        _trace: object,
    ) -> None:
        """Report a job whose workers died under it at every attempt; RQ alone would be silent.

        RQ calls this for each lapsed lease it finds, before it retries or fails the job.
        """
        if kind is AbandonedJobError and not job.retries_left:
            error = JobFailed(
                "the process that worked on it died at every attempt.",
                "See the logs folder of the data folder; too little memory is a usual reason.",
            )
            job.handler.give_up(job.args[0], error)

    def _keep_lease(self, job: Job, finished: threading.Event) -> None:
        began = time.monotonic()
        while not finished.wait(BEAT_S):
            running_s = time.monotonic() - began
            if job.timeout and running_s > job.timeout + HANG_GRACE_S:
                _log.error("job hangs, ending this process", job=job.id, running_s=running_s)
                os._exit(EXIT_HUNG)
            if self.execution is None:
                return
            try:
                self.maintain_heartbeats(job)
            except RedisError as error:
                _log.warning("heartbeat failed", job=job.id, error=str(error))


def worker_name(role: str) -> str:
    """A new name per process: RQ refuses a fixed one until the dead worker's key expires."""
    return f"{socket.gethostname()}-{role}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def build_worker(
    role: str, queues: Sequence[str], handlers: Mapping[str, Handler], connection: Redis
) -> PinnedWorker:
    """Return a worker that serves `queues`, in that order, with exactly these handlers."""
    job_class = job_class_for(handlers)
    worker = PinnedWorker(
        [open_queue(name, connection, job_class) for name in queues],
        name=worker_name(role),
        connection=connection,
        serializer=JSONSerializer,
        job_class=job_class,
        queue_class=LosslessQueue,
        worker_ttl=WORKER_TTL_S,
        maintenance_interval=MAINTENANCE_S,
        log_job_description=False,
    )
    worker.push_exc_handler(worker.give_up_abandoned)  # type: ignore[no-untyped-call]  # RQ's
    return worker
