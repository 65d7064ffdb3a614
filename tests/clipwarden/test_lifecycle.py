"""What is left when a run is interrupted, killed, or loses a process: nothing, and no video."""

from __future__ import annotations

import contextlib
import json
import signal
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from clipwarden.data_folder import DataFolder
from clipwarden.installation import StoreEnvironment, resolve_stores
from clipwarden.intake import accept
from clipwarden.migrations import migrate
from clipwarden.queue_server import running_server
from clipwarden.request import Request
from ingest.database import Database
from ingest.media.spec import SamplingSpec
from ingest.stores import Stores
from ingest.tables import Submission
from tests.clips import GREEN, RED, write_scenes
from tests.clipwarden.command import Product, wait_for
from tests.worker.fake_encoder import FAKE_CARD

LONG_S = 600


@pytest.fixture
def long_clip(tmp_path: Path) -> Path:
    """Ten minutes of red: at 20 frames a second it keeps the starter busy for minutes."""
    return write_scenes(tmp_path / "long.mp4", [(RED, LONG_S)], fps=20, width=64, height=48)


def statuses_in(folder: DataFolder) -> dict[str, str]:
    """How each submission of a data folder stands."""
    database = Database(folder.database_url)
    with database.read() as session:
        statuses = {row.id: row.status for row in session.scalars(select(Submission))}
    database.close()
    return statuses


def all_workers(product: Product) -> list[psutil.Process]:
    modules = ("worker.embedder", "ingest.sampler", "worker.finisher")
    found = [product.process_running(module) for module in modules]
    return [process for process in found if process is not None]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_no_process_and_no_lock(
    product: Product, long_clip: Path, tmp_path: Path, how: signal.Signals
) -> None:
    process = product.start("analyze", "--model", "starter", "--sample", "fps:20", long_clip)
    wait_for(lambda: len(all_workers(product)) == 3)
    wait_for(lambda: list((product.data / "blobs").rglob("pixels/**/*.npz")))
    process.send_signal(how)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert list(product.processes()) == []

    short = write_scenes(tmp_path / "short.mp4", [(RED, 1.0)])
    assert product.analyze(short)["status"] == "done"


def test_after_kill_9_the_workers_end_and_the_next_run_takes_over_the_server(
    product: Product, long_clip: Path, tmp_path: Path
) -> None:
    process = product.start("analyze", "--model", "starter", "--sample", "fps:20", long_clip)
    wait_for(lambda: len(all_workers(product)) == 3)
    wait_for(lambda: list((product.data / "blobs").rglob("pixels/**/*.npz")))
    process.kill()
    process.communicate()
    wait_for(lambda: len(list(product.processes())) == 1)
    [server] = product.processes()
    assert "valkey" in server.name()

    short = write_scenes(tmp_path / "short.mp4", [(RED, 1.0)])
    documents = product.analyze(short)
    assert documents["status"] == "done"
    assert documents["video"]["frames_sampled"] == 2
    assert not server.is_running()


@pytest.mark.parametrize("module", ["worker.finisher", "ingest.sampler"])
def test_a_worker_that_dies_is_started_again_and_the_video_still_finishes(
    product: Product, tmp_path: Path, module: str
) -> None:
    clip = write_scenes(tmp_path / "short.mp4", [(RED, 2.0)])
    process = product.start("analyze", "--model", "starter", "--format", "json", clip)
    worker = wait_for(lambda: product.process_running(module))
    assert worker is not None
    worker.kill()
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["status"] == "done"


def test_a_worker_that_can_not_start_says_why(product: Product, tmp_path: Path) -> None:
    clip = write_scenes(tmp_path / "short.mp4", [(RED, 2.0)])
    done = product.run("analyze", "--model", "starter", "--device", "cuda:7", clip)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("error[device.unavailable]")
    assert "--device cpu" in line


def test_a_worker_that_keeps_dying_ends_the_run_with_its_log_named(
    product: Product, tmp_path: Path
) -> None:
    clip = write_scenes(tmp_path / "short.mp4", [(RED, 2.0)])
    process = product.start("analyze", "--model", "starter", clip)
    while process.poll() is None:
        if (worker := product.process_running("worker.embedder")) is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
    _, stderr = process.communicate()
    assert process.returncode == 1
    assert "error[worker.failed]" in stderr
    assert "embed.log" in stderr


def test_a_queue_server_that_dies_is_one_clear_line_and_leaves_nothing(
    product: Product, long_clip: Path
) -> None:
    process = product.start("analyze", "--model", "starter", "--sample", "fps:20", long_clip)
    wait_for(lambda: len(all_workers(product)) == 3)
    wait_for(lambda: list((product.data / "blobs").rglob("pixels/**/*.npz")))
    for one in product.processes():
        if "valkey" in one.name():
            one.kill()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    [line] = stderr.splitlines()
    assert line.startswith("error[queue.unavailable]")
    assert list(product.processes()) == []


def test_a_queue_wiped_from_outside_is_filled_again_and_the_video_finishes(
    product: Product, tmp_path: Path, stores: Stores, queue_server: str
) -> None:
    clip = write_scenes(tmp_path / "wiped.mp4", [(RED, 20)], fps=20, width=64, height=48)
    product.environment["REDIS_URL"] = queue_server
    process = product.start(
        "analyze", "--model", "starter", "--sample", "fps:20", "--format", "json", clip
    )
    wait_for(lambda: list((product.data / "blobs").rglob("pixels/**/*.npz")))
    stores.redis.flushall()
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    document = json.loads(stdout)
    assert document["status"] == "done"
    assert document["video"]["frames_embedded"] == 400


def test_an_ended_run_cancels_what_it_asked_for_and_nothing_else(
    product: Product, long_clip: Path, tmp_path: Path
) -> None:
    folder = DataFolder.prepare(product.data)
    database = Database(folder.database_url)
    migrate(database)
    database.close()
    other = write_scenes(tmp_path / "others.mp4", [(GREEN, 1.0)])
    with folder.lock(), running_server(folder) as url:
        stores = Stores.open(resolve_stores(folder, StoreEnvironment(), url))
        request = Request(FAKE_CARD, SamplingSpec.parse("fps:2"), ())
        left_by_a_service = accept(stores, request, other).submission_id
        stores.close()
    process = product.start("analyze", "--model", "starter", "--sample", "fps:20", long_clip)
    # Its own work and that of the service are sampled by the same process.
    wait_for(lambda: list((product.data / "blobs").rglob("pixels/**/*.npz")))
    wait_for(lambda: len(statuses_in(folder)) == 2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    statuses = statuses_in(folder)
    assert statuses.pop(left_by_a_service) == "queued"
    assert list(statuses.values()) == ["cancelled"]
    pixels = [path for path in folder.blobs.rglob("pixels/**/*.npz") if path.is_file()]
    assert {path.parent.name for path in pixels} <= {FAKE_CARD.key}
