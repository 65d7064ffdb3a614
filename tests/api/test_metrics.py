"""Metrics, read back by Prometheus' own parsers."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from clipwarden.api.readings import QueueLabels
from clipwarden.api.settings import ApiSettings
from clipwarden.data_folder import DataFolder
from clipwarden.migrations import migrate
from clipwarden.queue_server import running_server
from ingest.database import Database
from ingest.queue.connection import open_queue
from ingest.queue.jobs import EMBED
from ingest.queue.leases import Outcome, settle, take
from ingest.queue.meters import Meter, add_to_meters
from ingest.queue.names import (
    FINISH_QUEUE,
    Priority,
    embed_queue,
    sample_queue,
    text_queue,
)
from ingest.queue.presence import State, announce_presence
from ingest.settings import StoreSettings
from ingest.stores import Stores
from ingest.tables import Status, Submission
from tests.api.serving import MODEL_KEY, Server, at_work, everybody_at_work, serving

QUEUE = embed_queue(MODEL_KEY, Priority.HIGH)
QUEUE_LABELS = {"queue": QUEUE, "role": "embed", "model": MODEL_KEY, "priority": "high"}


def scrape(server: Server) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Every sample by its name; fails on text that Prometheus would not take."""
    answer = server.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation
        assert family.type in {"counter", "gauge"}
        for sample in family.samples:
            assert sample.name.startswith("clipwarden_")
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def enqueue(stores: Stores, name: str, *job_ids: str) -> None:
    for job_id in job_ids:
        open_queue(name, stores.redis).enqueue(EMBED, {}, job_id=job_id)


def add_submission(database: Database, submission_id: str, status: Status) -> None:
    """Record a submission of that status; what else its row needs is of no account here."""
    fillers: dict[type, Any] = {int: 0, str: "x", object: [], datetime: datetime.now(UTC)}
    values = {
        column.name: fillers[column.type.python_type]
        for column in Submission.__table__.columns
        if not column.nullable
    }
    values |= {"id": submission_id, "status": status.value}
    with database.begin() as session:
        session.add(Submission(**values))


def test_queues_are_told_by_depth_age_and_what_became_of_their_jobs(
    server: Server, stores: Stores
) -> None:
    enqueue(stores, QUEUE, "later", "dead", "running", "first", "second")
    stores.redis.hset("rq:job:first", "enqueued_at", "2026-01-01T00:00:00.000000Z")
    for outcome in (Outcome.LATER, Outcome.DEAD):
        lease = take(stores.redis, [QUEUE], "worker")
        assert lease is not None
        assert settle(stores.redis, lease, outcome, delay_s=60)
    assert take(stores.redis, [QUEUE], "worker") is not None
    enqueue(stores, FINISH_QUEUE, "only")
    assert take(stores.redis, [FINISH_QUEUE], "worker") is not None

    found = scrape(server)
    empty = {"queue": "finish", "role": "finish", "model": "", "priority": ""}
    assert found["clipwarden_queue_depth"] == [(QUEUE_LABELS, 2), (empty, 0)]
    assert found["clipwarden_jobs_running"] == [(QUEUE_LABELS, 1), (empty, 1)]
    assert found["clipwarden_retries_scheduled"] == [(QUEUE_LABELS, 1), (empty, 0)]
    assert found["clipwarden_dead_letters"] == [(QUEUE_LABELS, 1), (empty, 0)]
    (labels, age_s), no_age = found["clipwarden_queue_oldest_age_seconds"]
    since = datetime.now(UTC) - datetime(2026, 1, 1, tzinfo=UTC)
    assert labels == QUEUE_LABELS
    assert age_s == pytest.approx(since.total_seconds(), abs=600)
    assert no_age == (empty, 0)


def test_an_age_that_nobody_knows_is_left_out(server: Server, stores: Stores) -> None:
    enqueue(stores, QUEUE, "gone")
    stores.redis.delete("rq:job:gone")
    found = scrape(server)
    assert found["clipwarden_queue_depth"] == [(QUEUE_LABELS, 1)]
    assert "clipwarden_queue_oldest_age_seconds" not in found


def test_counting_puts_no_lapsed_job_back_on_its_queue(server: Server, stores: Stores) -> None:
    enqueue(stores, QUEUE, "lapsed")
    lease = take(stores.redis, [QUEUE], "worker")
    assert lease is not None
    stores.redis.zadd(f"rq:wip:{QUEUE}", {lease.member: 1})
    for _ in range(2):
        found = scrape(server)
        assert found["clipwarden_jobs_running"] == [(QUEUE_LABELS, 1)]
        assert found["clipwarden_queue_depth"] == [(QUEUE_LABELS, 0)]


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        (FINISH_QUEUE, ("finish", "", "")),
        (text_queue(MODEL_KEY), ("text", MODEL_KEY, "")),
        (embed_queue(MODEL_KEY, Priority.LOW), ("embed", MODEL_KEY, "low")),
        (sample_queue(Priority.NORMAL), ("sample", "", "normal")),
        (sample_queue(Priority.NORMAL, "a:host"), ("sample", "", "normal")),
        ("somebody's", ("somebody's", "", "")),
    ],
)
def test_a_queues_labels_are_those_of_its_name(name: str, labels: tuple[str, str, str]) -> None:
    assert QueueLabels.of(name) == QueueLabels(name, *labels)


def test_counters_are_the_sums_of_what_processes_added(server: Server, stores: Stores) -> None:
    amounts: dict[tuple[Meter, str], float] = {
        (Meter.FRAMES, "embed"): 64,
        (Meter.SECONDS, "embed"): 1.25,
        (Meter.BATCHES, MODEL_KEY): 2,
        (Meter.BATCH_PICTURES, MODEL_KEY): 50,
        (Meter.BATCH_SLOTS, MODEL_KEY): 64,
        (Meter.JOBS, "retried"): 1,
        (Meter.SUBMISSIONS, "failed"): 1,
        (Meter.PAUSES, "blob.store_full"): 3,
    }
    add_to_meters(stores.redis, amounts)
    add_to_meters(stores.redis, amounts)
    found = scrape(server)
    assert found["clipwarden_frames_total"] == [({"stage": "embed"}, 128)]
    assert found["clipwarden_stage_seconds_total"] == [({"stage": "embed"}, 2.5)]
    assert found["clipwarden_batches_total"] == [({"model": MODEL_KEY}, 4)]
    assert found["clipwarden_batch_pictures_total"] == [({"model": MODEL_KEY}, 100)]
    assert found["clipwarden_batch_slots_total"] == [({"model": MODEL_KEY}, 128)]
    assert found["clipwarden_jobs_total"] == [({"outcome": "retried"}, 2)]
    assert found["clipwarden_submissions_ended_total"] == [({"status": "failed"}, 2)]
    assert found["clipwarden_pauses_total"] == [({"code": "blob.store_full"}, 6)]


def test_workers_are_told_by_state_and_memory(server: Server, stores: Stores) -> None:
    everybody_at_work(stores)
    announce_presence(stores.redis, at_work("sample", state=State.PAUSED, paused="blob.store_full"))
    found = scrape(server)
    states = {
        (labels["worker"], labels["state"])
        for labels, value in found["clipwarden_worker_state"]
        if value == 1
    }
    assert states == {("embed-1", "idle"), ("finish-1", "idle"), ("sample-1", "paused")}
    assert len(found["clipwarden_worker_state"]) == 9
    assert {value for _, value in found["clipwarden_worker_resident_memory_bytes"]} == {1_000_000}
    assert found["clipwarden_card_memory_bytes"] == [
        ({"worker": "embed-1", "device": "cuda:0", "model": MODEL_KEY}, 2_000_000)
    ]


def test_submissions_are_counted_by_status(server: Server, stores: Stores) -> None:
    add_submission(stores.database, "1", Status.QUEUED)
    add_submission(stores.database, "2", Status.DONE)
    add_submission(stores.database, "3", Status.DONE)
    counts = {labels["status"]: value for labels, value in scrape(server)["clipwarden_submissions"]}
    assert counts == dict.fromkeys(Status, 0) | {"queued": 1, "done": 2}


def test_label_values_are_escaped(server: Server, stores: Stores) -> None:
    code = 'quote " and \\ and\nline'
    add_to_meters(stores.redis, {(Meter.PAUSES, code): 1})
    assert scrape(server)["clipwarden_pauses_total"] == [({"code": code}, 1)]


def test_a_reader_that_asks_for_openmetrics_gets_it(server: Server, stores: Stores) -> None:
    everybody_at_work(stores)
    add_to_meters(stores.redis, {(Meter.FRAMES, "embed"): 1})
    answer = server.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    families = parse_openmetrics(answer.text)  # type: ignore[no-untyped-call]  # the library's
    assert {family.name for family in families} >= {
        "clipwarden_frames",
        "clipwarden_card_memory_bytes",
    }


def test_without_the_queue_server_the_database_still_tells(tmp_path: Path, log: Path) -> None:
    folder = DataFolder.prepare(tmp_path / "own")
    database = Database(folder.database_url)
    migrate(database)
    add_submission(database, "1", Status.FAILED)
    database.close()
    with folder.lock(), running_server(folder) as url:
        pass
    stores = StoreSettings(
        redis_url=SecretStr(url),
        database_url=SecretStr(folder.database_url),
        blob_url=folder.blob_url,
    )
    with serving(ApiSettings(stores=stores, port=0), log) as server:
        found = scrape(server)
    assert found["clipwarden_store_up"] == [({"store": "queue"}, 0), ({"store": "database"}, 1)]
    assert ({"status": "failed"}, 1) in found["clipwarden_submissions"]
    assert "clipwarden_queue_depth" not in found


def test_without_the_database_the_queue_server_still_tells(
    server: Server, stores: Stores, store_settings: StoreSettings
) -> None:
    enqueue(stores, QUEUE, "only")
    path = store_settings.database_url.get_secret_value().removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE submissions")
    connection.close()
    found = scrape(server)
    assert found["clipwarden_store_up"] == [({"store": "queue"}, 1), ({"store": "database"}, 0)]
    assert found["clipwarden_queue_depth"] == [(QUEUE_LABELS, 1)]
    assert "clipwarden_submissions" not in found
