"""`python -P -m tests.encoders.hpu_child WHAT DEVICE`: a process on the fake card, told as JSON."""

from __future__ import annotations

import copy
import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ingest.geometry import Geometry
from worker.encoders.buckets import static_sizes
from worker.encoders.encoder import TowerEncoder
from worker.encoders.protocol import Pixels
from worker.encoders.runtimes.hpu import HpuRuntime, take_card
from worker.errors import WorkerError
from worker.models.card import ModelCard, ScoreScale

SIZES = static_sizes(16)
COUNT = 37
SIZE_PX = 32
DIMENSION = 16


class Tower(nn.Module):
    """A small image tower: bytes to unit vectors."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.layer = nn.Linear(SIZE_PX * SIZE_PX * 3, DIMENSION)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return functional.normalize(self.layer(pixels.flatten(1).float() / 255), dim=1)


def pictures(count: int, size_px: int = SIZE_PX) -> Pixels:
    """Noise."""
    return np.random.default_rng(7).integers(0, 256, (count, size_px, size_px, 3), dtype=np.uint8)


def on_card(tower: nn.Module, device: str) -> TowerEncoder:
    """An encoder as the product builds it; it embeds pictures only."""
    texts: Any = None
    return TowerEncoder(_card(), HpuRuntime(tower, device), texts, SIZES)


def work(device: str) -> dict[str, object]:
    """Warm up, embed, fork: everything that one process can show."""
    tower = Tower().eval()
    reference = copy.deepcopy(tower)
    encoder = on_card(tower, device)
    card = _fake_card()
    for size in SIZES:
        encoder.embed_images(pictures(size))
    warm = encoder.counts()
    events = len(card.events)
    vectors = encoder.embed_images(pictures(COUNT))
    done = [event[0] for event in card.events[events:]]
    for count in (1, 3, 16, 20):
        encoder.embed_images(pictures(count))
    with torch.no_grad():
        expected = reference(torch.from_numpy(pictures(COUNT))).numpy()
    return {
        "device": encoder.device,
        "module": card.module_id,
        "warm_compilations": warm.compilations,
        "compilations": encoder.counts().compilations,
        "fallbacks": encoder.counts().fallbacks,
        "memory_bytes": warm.memory_bytes,
        "runs": done.count("run"),
        "copies_to_host": done.count("copy_to_host"),
        "difference": float(np.abs(vectors - expected).max()),
        "in_a_forked_child": _in_a_forked_child(encoder),
    }


def take(device: str) -> dict[str, object]:
    """Take a card, tell which, and hold it until the standard input ends."""
    take_card(device)
    _tell({"module": _fake_card().module_id})
    sys.stdin.read()
    return {"launcher": "WORLD_SIZE" in os.environ}


def embed_on(device: str) -> dict[str, object]:
    """Embed one batch after the other, until the card dies."""
    encoder = on_card(Tower().eval(), device)
    for done in range(100):
        try:
            encoder.embed_images(pictures(1))
        except WorkerError as error:
            return {"batches": done, "code": error.code, "message": str(error)}
    return {}


def clip(folder: str) -> dict[str, object]:
    """A real model of transformers, pictures and texts, by the product's own loading."""
    from tests.encoders.tiny_models import TEXTS
    from worker.encoders.load import load_encoder
    from worker.models.resolve import resolve_model

    take_card("hpu")
    card = resolve_model(folder)
    expected = load_encoder(card, "cpu", batch_size=16)
    encoder = load_encoder(card, "hpu", batch_size=16)
    shown = pictures(COUNT, card.geometry.size_px)
    for size in encoder.batch_sizes:
        encoder.embed_images(shown[:size])
    warm = encoder.counts().compilations
    images = np.abs(encoder.embed_images(shown) - expected.embed_images(shown)).max()
    texts = np.abs(encoder.embed_texts(TEXTS) - expected.embed_texts(TEXTS)).max()
    return {
        "warm_compilations": warm,
        "compilations": encoder.counts().compilations,
        "images_difference": float(images),
        "texts_difference": float(texts),
    }


def _in_a_forked_child(encoder: TowerEncoder) -> str:
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            encoder.embed_images(pictures(1))
            os.write(writer, b"it worked")
        except WorkerError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.close(writer)
    words = os.read(reader, 4096).decode()
    os.close(reader)
    os.wait()
    return words


def _fake_card() -> Any:
    return importlib.import_module("habana_frameworks.torch").CARD


def _card() -> ModelCard:
    return ModelCard(
        id="tiny",
        kind="dual",
        folder=Path(),
        revision=None,
        weights_sha256="0" * 64,
        precision="float32",
        geometry=Geometry("centre", SIZE_PX),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        dimension=DIMENSION,
        score_scale=ScoreScale(1.0, 0.0),
    )


def _tell(facts: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _main() -> None:
    deeds: dict[str, Callable[[str], dict[str, object]]] = {
        "work": work,
        "take": take,
        "embed": embed_on,
        "clip": clip,
    }
    try:
        _tell(deeds[sys.argv[1]](sys.argv[2]))
    except WorkerError as error:
        _tell({"code": error.code, "message": error.message, "cure": error.cure})


if __name__ == "__main__":
    _main()
