"""Liveness and readiness, with real stores that are there, broken, killed or frozen."""

from __future__ import annotations

import signal
import sqlite3
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr
from redis import Redis

from clipwarden.api.settings import ApiSettings
from clipwarden.data_folder import DataFolder
from clipwarden.migrations import migrate
from clipwarden.queue_server import running_server
from ingest.database import Database
from ingest.queue.presence import State, announce_presence, withdraw_presence
from ingest.settings import StoreSettings
from ingest.stores import Stores
from tests.api.serving import Server, at_work, everybody_at_work, serving
from tests.clipwarden.command import wait_for

WORKER_CHECKS = {"role:sample", "role:embed", "role:finish", "model", "unpaused"}


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """A data folder with a migrated database, for a queue server of the test's own."""
    folder = DataFolder.prepare(tmp_path / "own")
    database = Database(folder.database_url)
    migrate(database)
    database.close()
    return folder


def settings_of(folder: DataFolder, redis_url: str) -> ApiSettings:
    stores = StoreSettings(
        redis_url=SecretStr(redis_url),
        database_url=SecretStr(folder.database_url),
        blob_url=folder.blob_url,
    )
    return ApiSettings(stores=stores, port=0)


def server_process(redis_url: str) -> psutil.Process:
    with Redis.from_url(redis_url) as connection:
        return psutil.Process(connection.info("server")["process_id"])


def test_an_installation_at_work_is_alive_and_ready(server: Server, stores: Stores) -> None:
    everybody_at_work(stores)
    assert server.get("/healthz").json == {"status": "ok"}
    answer = server.get("/readyz")
    assert answer.status == 200
    assert answer.json["status"] == "ready"
    names = {check["name"] for check in answer.json["checks"]}
    assert names == {"queue", "database", "blobs"} | WORKER_CHECKS


def test_each_thing_that_is_missing_is_named_with_its_cure(server: Server, stores: Stores) -> None:
    assert server.get("/healthz").status == 200
    wrong = server.unready()
    assert set(wrong) == WORKER_CHECKS - {"unpaused"}
    assert wrong["role:embed"] == {
        "code": "api.role_absent",
        "message": "no embed process is at work.",
        "cure": "See embed.log in the logs folder of the data folder.",
    }
    assert wrong["model"]["code"] == "api.no_model_served"
    everybody_at_work(stores)
    assert server.unready() == {}
    withdraw_presence(stores.redis, "finish-1")
    assert set(server.unready()) == {"role:finish"}


def test_a_paused_worker_is_named_with_the_code_that_it_waits_out(
    server: Server, stores: Stores
) -> None:
    everybody_at_work(stores)
    paused = at_work("sample", name="sample-2", state=State.PAUSED, paused="blob.store_full")
    announce_presence(stores.redis, paused)
    wrong = server.unready()
    assert set(wrong) == {"unpaused"}
    assert wrong["unpaused"]["code"] == "api.workers_paused"
    assert "1 of 4 processes" in wrong["unpaused"]["message"]
    assert "sample-2 (blob.store_full)" in wrong["unpaused"]["message"]


def test_a_killed_queue_server_is_told_and_its_return_is_noticed(
    folder: DataFolder, log: Path
) -> None:
    with (
        folder.lock(),
        running_server(folder) as url,
        serving(settings_of(folder, url), log) as server,
    ):
        assert set(server.unready()) == {"model"}
        killed = server_process(url)
        killed.kill()
        wait_for(lambda: killed.status() == psutil.STATUS_ZOMBIE)
        wrong = server.unready()
        assert set(wrong) == {"queue", "model", "unpaused"}
        assert {error["code"] for error in wrong.values()} == {"queue.unavailable"}
        assert server.get("/healthz").status == 200
        with running_server(folder) as new_url:
            assert new_url == url
            assert set(server.unready()) == {"model"}


def test_a_frozen_queue_server_holds_no_answer_up(folder: DataFolder, log: Path) -> None:
    with (
        folder.lock(),
        running_server(folder) as url,
        serving(settings_of(folder, url), log) as server,
    ):
        assert set(server.unready()) == {"model"}
        frozen = server_process(url)
        frozen.suspend()
        try:
            wrong = server.unready()
            assert set(wrong) == {"queue", "model", "unpaused"}
            codes = {error["code"] for error in wrong.values()}
            assert codes <= {"queue.unavailable", "api.check_timed_out"}
            assert server.get("/healthz").status == 200
        finally:
            frozen.resume()
        wait_for(lambda: set(server.unready()) == {"model"})


def test_it_starts_before_the_queue_server_and_the_database(tmp_path: Path, log: Path) -> None:
    folder = DataFolder.prepare(tmp_path / "later")
    with folder.lock():
        with running_server(folder) as url:
            pass
        with serving(settings_of(folder, url), log) as server:
            wrong = server.unready()
            assert wrong["queue"]["code"] == "queue.unavailable"
            assert wrong["database"]["code"] == "database.outdated"
            assert "is empty" in wrong["database"]["message"]
            database = Database(folder.database_url)
            migrate(database)
            database.close()
            with running_server(folder):
                assert set(server.unready()) == {"model"}


def test_a_database_of_another_release_is_told(
    server: Server, stores: Stores, store_settings: StoreSettings
) -> None:
    everybody_at_work(stores)
    path = store_settings.database_url.get_secret_value().removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    wrong = server.unready()
    assert set(wrong) == {"database"}
    assert wrong["database"]["code"] == "database.outdated"
    assert "is 9999" in wrong["database"]["message"]


def test_a_blob_store_that_is_gone_is_told(
    server: Server, stores: Stores, store_settings: StoreSettings
) -> None:
    everybody_at_work(stores)
    blobs = Path(store_settings.blob_url)
    blobs.rename(blobs.with_name("elsewhere"))
    blobs.touch()
    wrong = server.unready()
    assert set(wrong) == {"blobs"}
    assert wrong["blobs"]["code"].startswith("blob.")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_signal_kills_what_should_end_by_itself(server: Server, number: signal.Signals) -> None:
    server.process.send_signal(number)
    assert server.process.wait(30) == 0
