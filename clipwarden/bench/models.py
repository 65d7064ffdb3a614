"""The model that benchmarks run: the one that is named, or a ViT-B/32 of random weights."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from clipwarden.bench.pictures import drawn_pictures
from clipwarden.bench.turns import module_command
from clipwarden.errors import ProductError
from worker.models.calibration import calibrated, store_calibration
from worker.models.card import ModelCard, Precision
from worker.models.resolve import resolve_model

RANDOM = "random ViT-B/32"
_OPEN_CLIP_FILE = "open_clip.safetensors"
"""Written by worker.bench.random_clip beside the model."""
_CALIBRATION_PICTURES = 64
_CALIBRATION_SEED = 1
"""Not the seed of the pictures that are measured: int8 is judged by others than it was made by."""


@dataclass(frozen=True)
class BenchModel:
    """A model, in float32; `peers_weights` is the same for open_clip, where there is that."""

    name: str
    card: ModelCard
    peers_weights: Path | None = None


def bench_model(name: str | None, folder: Path, tell: Callable[[str], None]) -> BenchModel:
    """Find the model of a name, or make a random one in `folder`.

    The random one is calibrated for int8 by drawn pictures, which suffice for random weights; one
    that is named has an int8 where its user calibrated it. Raises UnknownModel, ModelUnavailable
    or UnsupportedModel.
    """
    if name is not None:
        return BenchModel(name, resolve_model(name))
    tell(f"making a {RANDOM}")
    made = folder / "random-vit-b-32"
    command = [*module_command("worker.bench.random_clip"), str(made)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it gave no reason"]
        raise ProductError(
            f"no model could be made: {lines[-1][:300]}", "Name one with --model, or make room."
        )
    card = resolve_model(str(made))
    store_calibration(
        card, drawn_pictures(_CALIBRATION_PICTURES, card.geometry.size_px, _CALIBRATION_SEED)
    )
    return BenchModel(RANDOM, card, made / _OPEN_CLIP_FILE)


def in_precision(card: ModelCard, precision: Precision) -> ModelCard:
    """The same model in another precision; raises ModelUncalibrated where int8 was never made."""
    return calibrated(card) if precision == "int8" else replace(card, precision=precision)
