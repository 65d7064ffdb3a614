"""`clipwarden serve`: what dies comes back, and what is told to stop leaves nothing behind."""

from __future__ import annotations

import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry
from typer.testing import CliRunner

from clipwarden.cli.options import duration_s
from clipwarden.data_folder import DataFolder
from clipwarden.installation import StoreEnvironment, installation_stores, served_queue
from clipwarden.main import app
from clipwarden.roles import usable_cores
from ingest.keys import text_vectors_key
from ingest.stores import Stores
from ingest.tables import DEFAULT_TENANT
from prompts.loader import load_prompt_set
from tests.clipwarden.command import Product, wait_for
from tests.clipwarden.service import MODULES, Service
from worker.models.resolve import resolve_model
from worker.texts import request_text_vectors, store_prompt_set

ARGUMENTS = ("serve", "--model", "starter", "--port", "0", "--samplers", "1")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The data folder of the service that the tests of this module share."""
    product = Product(tmp_path_factory.mktemp("served") / "data")
    yield product
    for process in product.processes():
        process.kill()


@pytest.fixture(scope="module")
def service(served: Product) -> Iterator[Service]:
    """A service that is ready; it runs on through the deaths of its parts."""
    service = Service(served, *ARGUMENTS)
    try:
        service.await_ready()
        yield service
    finally:
        # The last test of those that share it kills it.
        if service.process.poll() is None:
            service.end()


def stores_of(product: Product) -> Stores:
    folder = DataFolder(product.data.resolve())
    return Stores.open(installation_stores(folder, StoreEnvironment()))


def test_everything_runs_and_the_api_answers(served: Product, service: Service) -> None:
    names = {event["process"] for event in service.events("ready")}
    assert names == {*MODULES, "queue"}
    facts = service.await_ready()
    assert facts["data"] == str(served.data)
    assert served_queue(DataFolder(served.data.resolve())) == "embedded"
    with urllib.request.urlopen(f"{facts['api']}/healthz", timeout=10) as answer:
        assert answer.status == 200
    for name, module in MODULES.items():
        assert module in service.worker(name).cmdline()
        assert (served.data / "logs" / f"{name}.log").exists()


def test_a_second_start_on_the_data_folder_is_refused(served: Product, service: Service) -> None:
    done = served.run(*ARGUMENTS)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error[data.in_use]")
    assert str(service.process.pid) in line
    assert service.process.poll() is None


def test_a_role_joins_on_the_same_machine_by_the_data_folder_alone(
    served: Product, service: Service
) -> None:
    joined = Service(served, "work", "--role", "finish", "--data", served.data)
    wait_for(lambda: joined.events("ready", "finish") or joined.process.poll() is not None)
    assert joined.end() == 0, joined.lines
    assert [event["process"] for event in joined.events("stopped")] == ["finish"]


@pytest.mark.parametrize("name", MODULES)
def test_a_killed_process_is_back(service: Service, name: str) -> None:
    ready_before = len(service.events("ready", name))
    killed = service.worker(name)
    killed.kill()
    service.await_restart(name, ready_before)
    assert service.worker(name).pid != killed.pid
    assert service.events("died", name)[-1]["status"] == -signal.SIGKILL


def test_a_killed_queue_server_is_back_with_its_data_and_everyone_goes_on(
    served: Product, service: Service
) -> None:
    folder = DataFolder(served.data.resolve())
    settings = installation_stores(folder, StoreEnvironment())
    ready_before = len(service.events("ready", "queue"))
    patience = Retry(ConstantBackoff(0.1), 300, supported_errors=(RedisConnectionError,))
    with Redis.from_url(settings.redis_url.get_secret_value(), retry=patience) as client:
        client.set("before", "the fall")
        # Until it is on the disk: the server writes there once a second.
        client.execute_command("WAITAOF", 1, 0, 0)
        service.worker("queue").kill()
        service.await_restart("queue", ready_before)
        assert client.get("before") == b"the fall"

    stores = stores_of(served)
    try:
        prompt_set = load_prompt_set("scenes")
        key = resolve_model("starter").key
        store_prompt_set(stores, DEFAULT_TENANT, prompt_set)
        request_text_vectors(stores, DEFAULT_TENANT, key, prompt_set.sha256)
        vectors = text_vectors_key(DEFAULT_TENANT, key, prompt_set.sha256)
        wait_for(lambda: stores.blobs.exists(vectors))
    finally:
        stores.close()
    for name, module in MODULES.items():
        wait_for(lambda name=name: service.worker(name).is_running())  # type: ignore[misc]
        assert module in service.worker(name).cmdline()


def test_after_kill_9_the_next_start_takes_over_the_queue_server_alone_and_stops_in_order(
    served: Product, service: Service
) -> None:
    port = service.await_ready()["api"].rsplit(":", 1)[1]
    server = service.worker("queue")
    workers = [service.worker(name) for name in MODULES]
    service.process.kill()
    service.finish()
    assert served_queue(DataFolder(served.data.resolve())) is None

    # At once, and on the port that the dying API process may still hold.
    second = Service(served, *ARGUMENTS, "--port", port)
    assert second.await_ready()["api"].endswith(port)
    assert second.events("adopted", "queue")[0]["process_pid"] == server.pid
    wait_for(lambda: not any(worker.is_running() for worker in workers))

    assert second.end(signal.SIGTERM) == 0
    stopped = [event["process"] for event in second.events("stopped")]
    assert set(stopped[:3]) == {"sample-1", "embed-0", "finish"}
    assert set(stopped[3:5]) == {"scheduler", "reaper"}
    assert stopped[5:] == ["api", "queue"]
    assert second.events("killed") == []
    assert list(served.processes()) == []
    assert served_queue(DataFolder(served.data.resolve())) is None


def test_a_device_that_is_not_there_ends_the_start_with_its_cure(product: Product) -> None:
    service = Service(product, *ARGUMENTS, "--device", "cuda:7")
    assert service.finish() == 2
    assert service.lines[-1].startswith("error[device.unavailable]")
    assert "--device cpu" in service.lines[-1]
    assert list(product.processes()) == []


def test_two_devices_get_a_process_each_and_share_the_cores(product: Product) -> None:
    service = Service(product, *ARGUMENTS, "--device", "cpu", "--device", "cpu")
    wait_for(lambda: service.events("started", "embed-1"))
    threads = {service.worker(name).environ()["OMP_NUM_THREADS"] for name in ("embed-0", "embed-1")}
    assert threads == {str(max(1, usable_cores() // 2))}
    assert service.end() == 0


def test_sqlite_and_a_queue_server_elsewhere_are_refused_before_anything_starts(
    product: Product,
) -> None:
    product.environment["REDIS_URL"] = "redis://:sesame@queue.example:6379/0"
    done = product.run(*ARGUMENTS)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error[store.sqlite_with_remote_queue]")
    assert "CLIPWARDEN_DATABASE_URL" in line
    assert "sesame" not in line


def test_lines_for_people_say_what_runs_and_what_to_do_next(
    product: Product, queue_server: str, tmp_path: Path
) -> None:
    product.environment["REDIS_URL"] = queue_server
    with Redis.from_url(queue_server) as client:
        client.flushdb()
    process = product.start(*ARGUMENTS)
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if line.startswith("Next:"):
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate()
    text = "".join(told)
    assert process.returncode == 0
    assert f"Next: clipwarden submit --data {product.data}" in text
    assert "http://127.0.0.1:" in text
    assert "1 embedding (cpu)" in text
    assert "finish      stopped" in rest
    assert "Traceback" not in text + rest
    with Redis.from_url(queue_server) as client:
        client.flushdb()


@pytest.mark.parametrize("option", ["--keep-media", "--keep-embeddings", "--keep-results"])
def test_a_duration_that_nobody_can_read_is_a_usage_error(option: str) -> None:
    done = CliRunner().invoke(app, [*ARGUMENTS, option, "a while"])
    assert done.exit_code == 2
    assert "'a while' is no duration" in done.output


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("12h", 43200), ("30d", 2592000), ("2w", 1209600), ("0d", 0)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert duration_s(text, "--keep-media") == seconds


def test_for_ever_is_no_duration() -> None:
    assert duration_s("forever", "--keep-media") is None
