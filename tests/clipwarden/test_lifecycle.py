"""What is left when a run is interrupted, killed, or loses a process: nothing, and no video."""

from __future__ import annotations

import contextlib
import json
import signal
from pathlib import Path

import psutil
import pytest

from ingest.stores import Stores
from tests.clips import RED, write_scenes
from tests.clipwarden.command import Product, wait_for

LONG_S = 600


@pytest.fixture
def long_clip(tmp_path: Path) -> Path:
    """Ten minutes of red: at 20 frames a second it keeps the starter busy for minutes."""
    return write_scenes(tmp_path / "long.mp4", [(RED, LONG_S)], fps=20, width=64, height=48)


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
    wait_for(lambda: not all_workers(product))
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


def test_a_queue_wiped_from_outside_fails_the_video_instead_of_waiting_for_ever(
    product: Product, long_clip: Path, stores: Stores, queue_server: str
) -> None:
    product.environment["REDIS_URL"] = queue_server
    process = product.start(
        "analyze", "--model", "starter", "--sample", "fps:20", "--format", "json", long_clip
    )
    wait_for(lambda: list((product.data / "blobs").rglob("pixels/**/*.npz")))
    stores.redis.flushall()
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 3, stderr
    assert json.loads(stdout)["error"]["code"] == "queue.lost"
