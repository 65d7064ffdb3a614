"""`python -P -m worker.bench.embedding`: one encoder over given pictures, in batches."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from worker.bench.turns import Turn, cpu_s, serve_turns
from worker.encoders.encoder import TowerEncoder
from worker.encoders.load import load_encoder
from worker.encoders.protocol import Encoder
from worker.encoders.runtimes.cpu import CpuRuntime
from worker.encoders.towers_of import load_towers
from worker.models.card import ModelCard
from worker.models.precision import check_precision

_TURN_S = 2.0
"""A turn goes through the pictures until so much time is over: less says little."""


def prepare(settings: Mapping[str, Any]) -> Turn:
    """Load the model of `card` onto `device` for batches of `batch_size` of the file `pixels`."""
    card = ModelCard.from_json(settings["card"])
    batch_size = int(settings["batch_size"])
    if settings["compiled"]:
        encoder: Encoder = compiled_encoder(card, batch_size)
    else:
        encoder = load_encoder(card, settings["device"], batch_size)
    pixels = np.load(settings["pixels"], allow_pickle=False)
    began_s = time.perf_counter()
    # What an encoder compiles, it compiles when it meets a batch of that size first.
    encoder.embed_images(pixels[:batch_size])
    first_batch_s = time.perf_counter() - began_s

    def turn(request: Mapping[str, Any]) -> dict[str, Any]:
        images = 0
        began_s, began_cpu_s = time.perf_counter(), cpu_s()
        while not images or time.perf_counter() - began_s < _TURN_S:
            vectors = encoder.embed_images(pixels)
            images += len(pixels)
        wall_s, used_s = time.perf_counter() - began_s, cpu_s() - began_cpu_s
        np.save(request["vectors"], vectors, allow_pickle=False)
        return {
            "images": images,
            "wall_s": wall_s,
            "cpu_s": used_s,
            "first_batch_s": first_batch_s,
            "device": encoder.device,
        }

    return turn


def compiled_encoder(card: ModelCard, batch_size: int) -> TowerEncoder:
    """The CPU's encoder through torch.compile, its weights frozen into the graph, for one size.

    A benchmark's alone: what it gains on a CPU, another runtime gains several times over.
    """
    from torch._inductor import config

    check_precision(card.precision, "cpu")
    # Without it, weights are laid out anew in every run.
    config.freezing = True
    dtype = torch.bfloat16 if card.precision == "bfloat16" else torch.float32
    towers = load_towers(card, dtype, torch.device("cpu"))
    compiled: Any = torch.compile(towers.image, dynamic=False)
    return TowerEncoder(card, CpuRuntime(compiled), towers.texts, (batch_size,))


if __name__ == "__main__":
    serve_turns(prepare)
