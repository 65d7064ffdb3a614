"""`clipwarden work`: one role, joined by three URLs alone."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clipwarden.errors import ModelNotServed, WorkerRefused
from clipwarden.main import app
from clipwarden.processes import WorkerProcesses
from clipwarden.restarts import FOR_A_RUN
from clipwarden.roles import sampler
from clipwarden.served_models import model_to_hold
from clipwarden.wanted_model import WantedModel
from ingest.claiming import claim_stores
from ingest.queue.enqueueing import jobs_waiting
from ingest.queue.presence import (
    ModelOnCard,
    Presence,
    State,
    announce_presence,
    read_presences,
)
from ingest.settings import ProcessSettings, StoreSettings
from ingest.stores import Stores
from ingest.submissions import unfinished_of
from tests.clipwarden.command import Product, wait_for
from tests.clipwarden.service import Service
from tests.ingest.submitting import HOST, QUEUES, WORK, submit_to
from tests.worker.fake_encoder import FAKE_CARD
from worker.models.card import ModelCard
from worker.models.resolve import resolve_model


@pytest.fixture
def elsewhere(product: Product, stores: Stores, store_settings: StoreSettings) -> Product:
    """A host that knows an installation by its URLs, and has no data folder."""
    product.environment |= {
        "CLIPWARDEN_DATA": "",
        "REDIS_URL": store_settings.redis_url.get_secret_value(),
        "CLIPWARDEN_DATABASE_URL": store_settings.database_url.get_secret_value(),
        "CLIPWARDEN_BLOB_URL": store_settings.blob_url,
    }
    claim_stores(stores)
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


@pytest.mark.parametrize("role", ["sample", "embed", "finish", "keep"])
def test_a_blob_store_that_is_not_the_installation_s_is_refused_before_any_job_is_taken(
    elsewhere: Product, stores: Stores, tmp_path: Path, role: str
) -> None:
    submit_to(stores)
    waiting = jobs_waiting(stores.redis, QUEUES)
    elsewhere.environment["CLIPWARDEN_BLOB_URL"] = str(tmp_path / "mistyped")
    device = ("--device", "cpu", "--model", "starter") if role == "embed" else ()
    done = elsewhere.run("work", "--role", role, *device)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error[store.not_ours]")
    assert "CLIPWARDEN_BLOB_URL" in line
    assert jobs_waiting(stores.redis, QUEUES) == waiting > 0


def supervise(workers: WorkerProcesses) -> None:
    while not workers.all_ready():
        workers.check()


def test_a_process_whose_store_is_gone_when_it_starts_takes_no_job(
    store_settings: StoreSettings, stores: Stores, tmp_path: Path
) -> None:
    submit_to(stores, in_place=None)
    wrong = store_settings.model_copy(update={"blob_url": str(tmp_path / "mistyped")})
    role = sampler("sample", ProcessSettings(stores=wrong, host=HOST), 1024 * 1024)
    with (
        pytest.raises(WorkerRefused) as caught,
        WorkerProcesses([role], None, FOR_A_RUN) as workers,
    ):
        supervise(workers)
    assert caught.value.worker_code == "store.not_ours"
    [row] = unfinished_of(stores.database, WORK)
    assert row.status == "queued"


def held(stores: Stores, card: ModelCard, number: int = 0) -> None:
    """Let the installation hold a model, as one of its processes would say."""
    announce_presence(
        stores.redis,
        Presence(
            name=f"embed.other.{number}",
            role="embed",
            host="other",
            pid=1 + number,
            state=State.IDLE,
            jobs_done=0,
            rss_bytes=1,
            model=ModelOnCard(key=card.key, id=card.id, card=card.to_json(), device="cuda:0"),
        ),
    )


def test_without_a_name_it_holds_the_model_that_is_served(
    elsewhere: Product, stores: Stores
) -> None:
    card = resolve_model("starter")
    held(stores, card)
    service = Service(elsewhere, "work", "--device", "cpu")
    wait_for(lambda: service.events("ready", "embed") or service.process.poll() is not None)
    models = [one.model.key for one in read_presences(stores.redis) if one.model and one.pid != 1]
    assert service.end(signal.SIGTERM) == 0, service.lines
    assert models == [card.key]


def test_without_a_name_and_a_served_model_it_asks_for_one(elsewhere: Product) -> None:
    done = elsewhere.run("work", "--card", "0")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("error[model.not_served]")
    assert "--model NAME" in line


def test_of_several_served_models_it_takes_none_by_itself(stores: Stores) -> None:
    held(stores, resolve_model("starter"))
    held(stores, FAKE_CARD, 1)
    with pytest.raises(ModelNotServed, match="several") as caught:
        model_to_hold(stores.redis, None)
    assert "--model NAME" in caught.value.cure
    assert model_to_hold(stores.redis, WantedModel("starter")) == resolve_model("starter")


def test_a_served_model_that_is_another_or_missing_on_this_host_is_said(stores: Stores) -> None:
    starter = resolve_model("starter")
    held(stores, replace(starter, weights_sha256="0" * 64))
    with pytest.raises(ModelNotServed, match="another model") as caught:
        model_to_hold(stores.redis, None)
    assert "--model DIR" in caught.value.cure
    held(stores, replace(starter, id="a-folder-over-there"))
    with pytest.raises(ModelNotServed, match="does not have") as caught:
        model_to_hold(stores.redis, None)
    assert "--model DIR" in caught.value.cure
