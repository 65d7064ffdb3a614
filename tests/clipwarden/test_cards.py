"""A service on two fake Gaudi cards, one of which dies in the middle of the work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.clips import RED, write_scenes
from tests.clipwarden.command import Product, wait_for
from tests.clipwarden.service import Service
from tests.encoders.tiny_models import clip_folder
from tests.fakes.gaudi import fake_gaudi, write_hl_smi

_BATCHES = 12
"""More than the start takes: warm-up and parity gate at each of four batch sizes are before."""


@pytest.fixture
def product(tmp_path: Path) -> Product:
    """An installation on a machine that seems to hold two Gaudi cards, module 1 mortal."""
    tools, locks = tmp_path / "tools", tmp_path / "locks"
    locks.mkdir()
    write_hl_smi(tools, [0, 1])
    changes = {
        "FAKE_HPU_CARDS": "2",
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    return Product(tmp_path / "data", fake_gaudi(locks, changes))


@pytest.mark.slow
def test_a_card_that_dies_takes_its_worker_out_and_not_the_service(
    product: Product, tmp_path: Path
) -> None:
    model = clip_folder(tmp_path / "clip")
    product.environment["FAKE_HPU_DIES_AFTER"] = f"1:{_start_batches() + _BATCHES}"
    clip = write_scenes(tmp_path / "long.mp4", [(RED, 60.0)])
    words = ("--model", model, "--device", "hpu:all", "--batch-size", "1", "--port", "0")
    service = Service(product, "serve", *words, "--samplers", "1")
    try:
        facts = service.await_ready()
        assert "hpu:0, hpu:1" in facts["workers"]
        done = product.run(
            "submit", "--wait", "--quiet", "--sample", "fps:10", "--format", "json", clip
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["status"] == "done"
        [dead] = wait_for(lambda: service.events("died"))
        assert dead["process"] == "embed-1"
        refused = wait_for(lambda: service.events("refused", "embed-1"))
        assert "Generic failure" in str(refused[0]) or "26" in str(refused[0])
        assert service.process.poll() is None
        assert service.worker("embed-0").is_running()
        log = (product.data / "logs" / "embed-1.log").read_text()
        assert "device.failed" in log
    finally:
        service.end()


def _start_batches() -> int:
    """What warm-up and the parity gate send to the card with batches of one: 1 and 16."""
    return 17
