"""Whatever stands in Redis, a worker runs nothing but its own handlers."""

from __future__ import annotations

import inspect
import socket
from pathlib import Path

import pytest
from rq import Callback, Queue, SimpleWorker
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.webhook import Webhook
from rq.worker import BaseWorker

from ingest.errors import QueueUnavailable
from ingest.queue.attempts import Handler
from ingest.queue.connection import connect, enqueue_once, open_queue
from ingest.queue.jobs import AllowlistedJob
from ingest.queue.lossless import LosslessQueue
from ingest.queue.payloads import TextJob
from ingest.queue.worker import PinnedWorker, build_worker
from ingest.stores import Stores
from prompts.errors import ClipwardenError

PAYLOAD = TextJob(tenant="default", model_key="0" * 16, prompt_set_sha256="0" * 64)


def refuse(args: object, error: ClipwardenError) -> None:
    raise AssertionError(f"nobody gives up here: {args} {error}")


def run_all(stores: Stores, queue: str, done: list[object]) -> None:
    worker = build_worker("test", [queue], {"ours": Handler(done.append, refuse)}, stores.redis)
    worker.work(burst=True, logging_level="CRITICAL")


def test_a_job_of_ours_runs_with_its_payload(stores: Stores) -> None:
    done: list[object] = []
    queue = open_queue("jobs", stores.redis)
    enqueue_once(queue, "ours", PAYLOAD, job_id="one", timeout_s=10)
    run_all(stores, "jobs", done)
    assert done == [PAYLOAD.to_args()]


@pytest.mark.parametrize("function", ["os.system", "builtins.eval", "theirs"])
def test_a_function_that_is_not_ours_is_not_run(
    stores: Stores, tmp_path: Path, function: str
) -> None:
    canary = tmp_path / "canary"
    queue = open_queue("jobs", stores.redis)
    job = queue.enqueue(function, f"touch '{canary}'")
    run_all(stores, "jobs", [])
    assert job.get_status() == JobStatus.FAILED
    assert not canary.exists()


def test_a_job_with_a_callback_is_refused(stores: Stores) -> None:
    done: list[object] = []
    queue = Queue("jobs", connection=stores.redis, serializer=JSONSerializer)
    job = queue.enqueue("ours", {}, on_success=Callback("os.getcwd"))
    run_all(stores, "jobs", done)
    assert job.get_status() == JobStatus.FAILED
    assert done == []


def test_a_job_with_a_webhook_is_refused_and_calls_nobody(stores: Stores) -> None:
    done: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        queue = Queue("jobs", connection=stores.redis, serializer=JSONSerializer)
        job = queue.enqueue("ours", {}, webhooks=[Webhook(url, "failed", timeout=1)])
        run_all(stores, "jobs", done)
        assert job.get_status() == JobStatus.FAILED
        assert done == []
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_job_waiting_or_running_is_not_queued_twice_and_a_failed_one_again(
    stores: Stores,
) -> None:
    queue = open_queue("jobs", stores.redis)
    for _ in range(2):
        enqueue_once(queue, "theirs", PAYLOAD, job_id="one", timeout_s=10)
    assert queue.job_ids == ["one"]
    run_all(stores, "jobs", [])
    enqueue_once(queue, "theirs", PAYLOAD, job_id="one", timeout_s=10)
    assert queue.job_ids == ["one"]


def test_queues_are_served_in_their_order_and_leave_nothing_behind(stores: Stores) -> None:
    done: list[object] = []
    for name in ("later", "first"):
        open_queue(name, stores.redis).enqueue("ours", name)
    worker = build_worker(
        "test", ["first", "later"], {"ours": Handler(done.append, refuse)}, stores.redis
    )
    worker.work(burst=True, logging_level="CRITICAL")
    assert done == ["first", "later"]
    assert [key for key in stores.redis.keys("*") if b"intermediate" in key] == []


def test_a_server_that_evicts_is_refused(stores: Stores, queue_server: str) -> None:
    stores.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(QueueUnavailable, match="allkeys-lru"):
            connect(queue_server)
    finally:
        stores.redis.config_set("maxmemory-policy", "noeviction")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "nonsense", "unix:///none.sock"])
def test_a_server_that_is_not_there_is_one_clear_error(url: str) -> None:
    with pytest.raises(QueueUnavailable, match="can't be reached"):
        connect(url)


# What we override must still be what RQ calls: each entry is a class of ours, the class of RQ
# that it overrides, and the parameters RQ passes.
OVERRIDDEN = [
    (LosslessQueue, Queue, "dequeue_any"),
    (PinnedWorker, SimpleWorker, "get_heartbeat_ttl"),
    (PinnedWorker, SimpleWorker, "execute_job"),
    (PinnedWorker, BaseWorker, "prepare_job_execution"),
    (PinnedWorker, BaseWorker, "handle_exception"),
    (PinnedWorker, BaseWorker, "clean_registries"),
    (AllowlistedJob, Job, "send_webhooks"),
]


@pytest.mark.parametrize(("ours", "theirs", "method"), OVERRIDDEN)
def test_overridden_methods_still_exist_in_rq_with_our_parameters(
    ours: type, theirs: type, method: str
) -> None:
    expected = list(inspect.signature(getattr(theirs, method)).parameters)
    found = list(inspect.signature(getattr(ours, method)).parameters)
    if any(name.startswith("_") or name in ("args", "kwargs", "exc_info") for name in found):
        assert found[0] == expected[0]
    else:
        assert found == expected


@pytest.mark.parametrize(
    "name", ["func", "success_callback", "failure_callback", "stopped_callback"]
)
def test_overridden_properties_still_exist_in_rq(name: str) -> None:
    assert isinstance(inspect.getattr_static(Job, name), property)
