"""From a device's name to a device that is really there."""

from __future__ import annotations

import re
from collections.abc import Callable

import torch

from worker.errors import DeviceUnavailable

_NAME = re.compile(r"cpu|cuda(?::(?P<index>[0-9]{1,3}))?")
_USE_CPU = "Use --device cpu to run without one."


def find_device(name: str) -> torch.device:
    """Return the device called `cpu`, `cuda` (the first card) or `cuda:1`.

    Raises DeviceUnavailable for any other name and for a card that is not there: an encoder
    never falls back to the CPU by itself.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise DeviceUnavailable(
            f"{name!r} is no device we know.", "Name it cpu, cuda or cuda:N, such as cuda:0."
        )
    if name == "cpu":
        return torch.device("cpu")
    if torch.version.cuda is None and torch.version.hip is None:
        raise DeviceUnavailable(
            f"The torch installed here ({torch.__version__}) is built without CUDA.",
            f"Install a CUDA build of torch. {_USE_CPU}",
        )
    cards = torch.cuda.device_count()
    index = int(match["index"] or 0)
    if index >= cards:
        found = "no CUDA card is visible" if cards == 0 else f"only {cards} CUDA cards are visible"
        raise DeviceUnavailable(
            f"There is no device cuda:{index}: {found}.",
            f"Check nvidia-smi, the driver and CUDA_VISIBLE_DEVICES. {_USE_CPU}",
        )
    return torch.device("cuda", index)


def memory_reader(name: str) -> Callable[[], int | None]:
    """Return what tells how many bytes of a device's memory this process takes.

    It tells None for a device without memory of its own.
    """
    device = find_device(name)
    if device.type != "cuda":
        return lambda: None
    return lambda: int(torch.cuda.memory_reserved(device))
