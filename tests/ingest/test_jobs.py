"""Whatever stands in Redis, a worker runs nothing but its own handlers; each job is queued once."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from rq import Callback, Queue
from rq.job import JobStatus
from rq.serializers import JSONSerializer
from rq.webhook import Webhook

from ingest.errors import JobRefused, QueueTaken, QueueUnavailable
from ingest.queue.attempts import Handler
from ingest.queue.connection import claim_server, connect, open_queue
from ingest.queue.enqueueing import enqueue_once, job_has_failed, jobs_alive, jobs_waiting
from ingest.queue.identity import WorkerIdentity
from ingest.queue.jobs import fetch_job
from ingest.queue.leases import Outcome, settle, take
from ingest.queue.payloads import TextJob
from ingest.queue.worker import build_worker
from ingest.settings import WorkerLimits
from ingest.stores import Stores
from prompts.errors import ClipwardenError

PAYLOAD = TextJob(tenant="default", model_key="0" * 16, prompt_set_sha256="0" * 64)


def refuse(args: object, error: ClipwardenError) -> None:
    raise AssertionError(f"nobody gives up here: {args} {error}")


def enqueue(stores: Stores, function: str = "ours") -> None:
    enqueue_once(stores.redis, "jobs", function, PAYLOAD, job_id="one", timeout_s=10)


def run_all(stores: Stores, done: list[object]) -> None:
    handlers = {"ours": Handler(lambda args, _claim: done.append(args), refuse)}
    identity = WorkerIdentity("test", "here")
    worker = build_worker(identity, ["jobs"], handlers, stores.redis, WorkerLimits())
    worker.work(burst=True, logging_level="CRITICAL")


def test_a_job_of_ours_runs_with_its_payload_and_leaves_nothing(stores: Stores) -> None:
    done: list[object] = []
    enqueue(stores)
    run_all(stores, done)
    assert done == [PAYLOAD.to_args()]
    assert stores.redis.keys("rq:job:*") == stores.redis.keys("rq:wip:*") == []


@pytest.mark.parametrize("function", ["os.system", "builtins.eval", "theirs"])
def test_a_function_that_is_not_ours_is_not_run(
    stores: Stores, tmp_path: Path, function: str
) -> None:
    canary = tmp_path / "canary"
    job = open_queue("jobs", stores.redis).enqueue(function, f"touch '{canary}'")
    run_all(stores, [])
    assert job.get_status() == JobStatus.FAILED
    assert not canary.exists()


@pytest.mark.parametrize("when", ["on_success", "on_failure", "on_stopped"])
def test_a_job_with_a_callback_is_refused(stores: Stores, when: str) -> None:
    done: list[object] = []
    callback: dict[str, Any] = {when: Callback("os.getcwd")}
    queue = Queue("jobs", connection=stores.redis, serializer=JSONSerializer)
    job = queue.enqueue("ours", {}, **callback)
    run_all(stores, done)
    assert job.get_status() == JobStatus.FAILED
    assert done == []


def test_a_job_with_a_webhook_is_refused_and_calls_nobody(stores: Stores) -> None:
    done: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        queue = Queue("jobs", connection=stores.redis, serializer=JSONSerializer)
        job = queue.enqueue("ours", {}, webhooks=[Webhook(url, "failed", timeout=1)])
        run_all(stores, done)
        assert job.get_status() == JobStatus.FAILED
        assert done == []
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize(
    ("field", "damage"),
    [
        ("data", b""),
        ("data", b"\x80\x04K\x01."),
        ("data", b"[]"),
        ("data", b'["ours", null, [], {}]'),
        ("data", b'["ours", null, [1, 2], {}]'),
        ("data", b'[["ours"], null, [1], {}]'),
        ("data", b'["ours", null, 7, {}]'),
        ("created_at", b"yesterday"),
        ("timeout", b"soon"),
        ("origin", b"\xff"),
    ],
)
def test_a_damaged_job_fails_alone_and_the_worker_works_on(
    stores: Stores, field: str, damage: bytes
) -> None:
    done: list[object] = []
    damaged = open_queue("jobs", stores.redis).enqueue("ours", {}, job_id="damaged")
    stores.redis.hset(damaged.key, field, damage)
    enqueue(stores)
    run_all(stores, done)
    assert done == [PAYLOAD.to_args()]
    assert job_has_failed(stores.redis, "damaged")


def test_a_job_given_to_a_worker_that_is_none_of_ours_is_not_called(stores: Stores) -> None:
    enqueue(stores)
    with pytest.raises(JobRefused, match="none of ours"):
        fetch_job(stores.redis, "one").perform()


@pytest.mark.parametrize("outcome", [None, Outcome.LATER])
def test_a_job_that_waits_or_runs_or_is_due_later_is_not_queued_twice(
    stores: Stores, outcome: Outcome | None
) -> None:
    redis = stores.redis
    for _ in range(2):
        enqueue(stores)
    assert jobs_waiting(redis, ["jobs", "none"]) == 1
    lease = take(redis, ["jobs"], "me")
    assert lease is not None
    if outcome is not None:
        settle(redis, lease, outcome, delay_s=60)
    enqueue(stores)
    assert jobs_waiting(redis, ["jobs"]) == 0
    assert jobs_alive(redis, ["one", "none"]) == {"one"}


def test_a_job_that_was_given_up_makes_way_for_a_new_one(stores: Stores) -> None:
    redis = stores.redis
    enqueue(stores, "theirs")
    run_all(stores, [])
    assert job_has_failed(redis, "one")
    assert jobs_alive(redis, ["one"]) == set()
    enqueue(stores)
    done: list[object] = []
    run_all(stores, done)
    assert done == [PAYLOAD.to_args()]
    assert redis.zrange("rq:failed:jobs", 0, -1) == []


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


def test_a_server_serves_one_installation(stores: Stores) -> None:
    claim_server(stores.redis, "a" * 32)
    claim_server(stores.redis, "a" * 32)
    with pytest.raises(QueueTaken, match="another installation"):
        claim_server(stores.redis, "b" * 32)
