"""The parity gate: a device's vectors against those of float32 on the CPU.

Untrained and narrow models put all pictures close together, and a broken device hides there. So
vectors are compared after the mean one was subtracted from both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from worker.encoders.probes import PROBE_TEXTS, probe_pictures
from worker.encoders.protocol import Encoder, Pixels, Vectors
from worker.encoders.towers import Towers
from worker.encoders.towers_of import load_towers
from worker.errors import DeviceWrong
from worker.models.calibration import calibration_pictures
from worker.models.card import ModelCard, Precision

_PICTURES = 16
_BATCH = 8
_FLOAT32_LIMIT = 0.9995
"""Between two devices' float32; sums in another order gave 0.99999 on the CPU's two runtimes."""
_BFLOAT16_MARGIN = 4.0
"""A device may lose so many times what the CPU loses by rounding the same model to bfloat16."""
_BFLOAT16_FLOOR = 0.95
_INT8_LIMIT = 0.9
"""Opt-in and lossy by nature: this tells a broken model from a coarse one."""


@dataclass(frozen=True)
class Parity:
    """How near a device's vectors are to the CPU's in float32, as cosines.

    `raw_mean` as they are; `centred_worst` of the pictures and `texts_worst` of the texts with
    the mean subtracted. `limit` is the least that was accepted for both.
    """

    raw_mean: float
    centred_worst: float
    texts_worst: float
    limit: float


def require_parity(encoder: Encoder) -> Parity:
    """Compare an encoder, at each of its batch sizes, with its model in float32 on the CPU.

    The limit for bfloat16 is calibrated per model: what rounding costs differs by a factor of
    ten between them. Raises DeviceWrong, and ModelError where the model can't be read again.
    """
    card, cpu = encoder.card, torch.device("cpu")
    pixels = _pictures(card)
    pictures, texts = _reference(load_towers(card, torch.float32, cpu), pixels)
    limit = _FLOAT32_LIMIT if card.precision == "float32" else _INT8_LIMIT
    if card.precision == "bfloat16":
        rounded, rounded_texts = _reference(load_towers(card, torch.bfloat16, cpu), pixels)
        kept = centred_cosines(rounded, pictures), centred_cosines(rounded_texts, texts)
        loss = 1 - min(float(cosines.min()) for cosines in kept)
        limit = max(_BFLOAT16_FLOOR, 1 - _BFLOAT16_MARGIN * loss)
    found = [_compared(encoder, size, pixels, pictures) for size in encoder.batch_sizes]
    of_texts = centred_cosines(encoder.embed_texts(PROBE_TEXTS), texts)
    parity = Parity(
        raw_mean=min(raw for raw, _ in found),
        centred_worst=min(centred for _, centred in found),
        texts_worst=float(of_texts.min()),
        limit=limit,
    )
    # Written so that not-a-number fails, too.
    if not (parity.centred_worst >= limit and parity.texts_worst >= limit):
        raise _wrong(card.id, card.precision, encoder.device, parity)
    return parity


def centred_cosines(vectors: Vectors, reference: Vectors) -> Vectors:
    """The cosine of each row `[n, d]` with its counterpart, their means subtracted; `[n]`."""
    ours, theirs = vectors - vectors.mean(axis=0), reference - reference.mean(axis=0)
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return np.asarray((ours * theirs).sum(axis=1) / np.maximum(lengths, 1e-30), np.float32)


def _compared(
    encoder: Encoder, size: int, pixels: Pixels, reference: Vectors
) -> tuple[float, float]:
    """Mean raw and worst centred cosine of all probes, embedded in full batches of `size`.

    A larger batch has some of them several times, so that each of its places is looked at.
    """
    order = np.arange(max(size, _PICTURES)) % _PICTURES
    parts = [
        encoder.embed_images(pixels[order[start : start + size]])
        for start in range(0, len(order), size)
    ]
    vectors = np.concatenate(parts)
    expected = reference[order]
    raw_mean = float((vectors * expected).sum(axis=1).mean())
    return raw_mean, float(centred_cosines(vectors, expected).min())


def _pictures(card: ModelCard) -> Pixels:
    """Drawn ones, or of those that int8 was made by: it is right for their like only."""
    if card.precision == "int8":
        return calibration_pictures(card)[:_PICTURES]
    return probe_pictures(_PICTURES, card.geometry.size_px)


@torch.inference_mode()
def _reference(towers: Towers, pixels: Pixels) -> tuple[Vectors, Vectors]:
    batches = [
        towers.image(torch.from_numpy(pixels[start : start + _BATCH]))
        for start in range(0, len(pixels), _BATCH)
    ]
    pictures, texts = torch.cat(batches), towers.texts.embed(PROBE_TEXTS)
    return np.asarray(pictures.numpy(), np.float32), np.asarray(texts.numpy(), np.float32)


def _wrong(model: str, precision: Precision, device: str, parity: Parity) -> DeviceWrong:
    return DeviceWrong(
        f"{model} in {precision} on {device} does not give the vectors that it gives in float32 on "
        f"the CPU: the cosine about the mean is {parity.centred_worst:.4f} for pictures and "
        f"{parity.texts_worst:.4f} for texts at worst, where {parity.limit:.4f} is the least.",
        "Use --precision float32 or another device; if this happens in float32, too, the driver, "
        "the card or its software is at fault.",
    )
