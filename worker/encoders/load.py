"""From a model's identity to a running encoder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from worker.encoders.buckets import static_sizes
from worker.encoders.device import find_device
from worker.encoders.encoder import TowerEncoder
from worker.encoders.parity import Parity, require_parity
from worker.encoders.probes import probe_pictures
from worker.encoders.protocol import Encoder
from worker.encoders.runtimes.cpu import CpuRuntime
from worker.encoders.runtimes.cuda import CudaRuntime, cuda_failures
from worker.encoders.runtimes.hpu import HpuRuntime, hpu_failures
from worker.encoders.runtimes.protocol import ImageRuntime
from worker.encoders.towers import Towers
from worker.encoders.towers_of import load_towers
from worker.errors import DeviceUnavailable
from worker.models.card import ModelCard
from worker.models.precision import OPENVINO, check_precision

DEFAULT_BATCH_SIZE = 8

_FIRST_WITH_BFLOAT16 = (8, 0)
"""The compute capability of Ampere."""

Tell = Callable[[str], None]
"""Told in words what is done next: a start can take a minute."""


def load_encoder(
    card: ModelCard, device: str = "cpu", batch_size: int = DEFAULT_BATCH_SIZE
) -> Encoder:
    """Load the encoder of `card` onto a device: `cpu`, `openvino`, `cuda`, `cuda:1`, `hpu:3`.

    Raises DeviceUnavailable when the device is not there or can't compute in the card's
    precision, DeviceFailed when it breaks, ModelError when files are missing, altered or don't
    fit each other.
    """
    check_precision(card.precision, device)
    place = find_device(device)
    # cuDNN rounds the inputs of float32 convolutions to 10 bits unless told not to.
    torch.backends.cudnn.allow_tf32 = False
    sizes = static_sizes(batch_size)
    if device == OPENVINO:
        return _on_openvino(card, sizes)
    with _failures(place, device):
        _check_card(place, device, card)
        dtype = torch.bfloat16 if card.precision == "bfloat16" else torch.float32
        towers = load_towers(card, dtype, place)
        return TowerEncoder(card, _runtime(towers, place, device), towers.texts, sizes)


def start_encoder(
    card: ModelCard, device: str, batch_size: int, tell: Tell
) -> tuple[Encoder, Parity | None]:
    """Load an encoder, run every batch size once, and see that its vectors are right.

    The second is what the comparison with the CPU's float32 showed; None for an encoder that is
    just that. Raises DeviceWrong where the vectors are off, and as `load_encoder` does.
    """
    tell(f"loading {card.id} onto {device}")
    encoder = load_encoder(card, device, batch_size)
    for size in encoder.batch_sizes:
        tell(f"running a batch of {size}")
        encoder.embed_images(probe_pictures(size, card.geometry.size_px))
    encoder.embed_texts(["a photo"])
    if device == "cpu" and card.precision == "float32":
        return encoder, None
    tell("comparing with float32 on the CPU")
    return encoder, require_parity(encoder)


def _check_card(place: torch.device, device: str, card: ModelCard) -> None:
    """NVIDIA cards before Ampere only imitate bfloat16."""
    if card.precision != "bfloat16" or place.type != "cuda":
        return
    if not torch.cuda.get_device_capability(place) >= _FIRST_WITH_BFLOAT16:
        raise DeviceUnavailable(
            f"{device}, {torch.cuda.get_device_name(place)}, does not compute in bfloat16.",
            "Use --precision float32.",
        )


def _on_openvino(card: ModelCard, sizes: tuple[int, ...]) -> Encoder:
    """The image tower by OpenVINO; the texts, which are few, by PyTorch in float32."""
    # Here: it is an extra, and others need not wait for its import.
    from worker.encoders.runtimes.openvino import OpenVinoRuntime

    runtime = OpenVinoRuntime(card, torch.get_num_threads())
    texts = load_towers(card, torch.float32, torch.device("cpu")).texts
    return TowerEncoder(card, runtime, texts, sizes)


def _failures(place: torch.device, device: str) -> AbstractContextManager[None]:
    """The text tower goes to a card before there is a runtime."""
    if place.type == "cuda":
        return cuda_failures(device)
    return hpu_failures(device) if place.type == "hpu" else nullcontext()


def _runtime(towers: Towers, place: torch.device, device: str) -> ImageRuntime:
    if place.type == "cuda":
        return CudaRuntime(towers.image, place)
    if place.type == "hpu":
        return HpuRuntime(towers.image, device)
    return CpuRuntime(towers.image)
