"""`clipwarden work`: one role, joined by three URLs alone."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clipwarden.main import app
from ingest.queue.connection import claim_server
from ingest.settings import StoreSettings
from ingest.stores import Stores
from ingest.submissions import installation_id
from tests.clipwarden.command import Product, wait_for
from tests.clipwarden.service import Service


@pytest.fixture
def elsewhere(product: Product, stores: Stores, store_settings: StoreSettings) -> Product:
    """A host that knows an installation by its URLs, and has no data folder."""
    product.environment |= {
        "CLIPWARDEN_DATA": "",
        "REDIS_URL": store_settings.redis_url.get_secret_value(),
        "CLIPWARDEN_DATABASE_URL": store_settings.database_url.get_secret_value(),
        "CLIPWARDEN_BLOB_URL": store_settings.blob_url,
    }
    claim_server(stores.redis, installation_id(stores.database))
    return product


def test_a_role_is_started_again_when_it_dies_and_ends_when_it_is_told_to(
    elsewhere: Product,
) -> None:
    service = Service(elsewhere, "work", "--role", "finish")
    wait_for(lambda: service.events("ready", "finish"))
    first = service.worker("finish")
    first.kill()
    service.await_restart("finish", 1)
    assert service.worker("finish").pid != first.pid
    assert service.end(signal.SIGTERM) == 0
    assert [event["process"] for event in service.events("stopped")] == ["finish"]
    assert [event["status"] for event in service.events("died")] == [-signal.SIGKILL]
    assert list(elsewhere.processes()) == []


@pytest.mark.parametrize("role", ["sample", "keep"])
def test_other_roles_join_as_well_and_log_to_stderr(elsewhere: Product, role: str) -> None:
    # So that even a process without a fault has something to write.
    elsewhere.environment["PYTHONPROFILEIMPORTTIME"] = "1"
    service = Service(elsewhere, "work", "--role", role)
    wait_for(lambda: service.events("ready", role) or service.process.poll() is not None)
    assert service.end(signal.SIGINT) == 0, service.lines
    module = {"sample": "ingest.queue.runner", "keep": "worker.settings"}[role]
    # Twice: the command imports it, too.
    assert sum(line.endswith(module) for line in service.lines) >= 1


def test_a_card_that_is_not_there_is_refused_with_its_cure(elsewhere: Product) -> None:
    done = elsewhere.run("work", "--card", "7", "--model", "starter")
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error[device.unavailable]")
    assert "--device cpu" in last


@pytest.mark.parametrize("name", ["REDIS_URL", "CLIPWARDEN_DATABASE_URL", "CLIPWARDEN_BLOB_URL"])
def test_what_is_not_named_is_said(elsewhere: Product, name: str) -> None:
    del elsewhere.environment[name]
    done = elsewhere.run("work", "--role", "finish")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error[store.not_named]: {name} is not set.")


def test_a_data_folder_that_nobody_serves_is_said(product: Product, tmp_path: Path) -> None:
    done = product.run("work", "--role", "finish", "--data", tmp_path / "idle")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error[serve.not_running]")
    assert f"clipwarden serve --data {tmp_path / 'idle'}" in line


def test_the_queue_server_of_another_installation_is_refused(
    elsewhere: Product, stores: Stores
) -> None:
    stores.redis.set("clipwarden:installation", "somebody else")
    done = elsewhere.run("work", "--role", "finish")
    assert done.returncode == 1
    assert done.stderr.startswith("error[queue.taken]")


def test_a_database_of_another_release_is_refused_and_left_as_it_is(
    elsewhere: Product, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.db"
    empty.touch()
    elsewhere.environment["CLIPWARDEN_DATABASE_URL"] = f"sqlite:///{empty}"
    done = elsewhere.run("work", "--role", "finish")
    assert done.returncode == 1
    assert done.stderr.startswith("error[database.outdated]")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--role", "sample", "--card", "0"),
        ("--role", "finish", "--device", "cpu"),
        ("--card", "0", "--device", "cpu"),
        ("--role", "dance"),
    ],
)
def test_words_that_make_no_sense_are_usage_errors(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["work", *words])
    assert done.exit_code == 2
    assert "Usage" in done.output
