"""From a device's name to a device that is really there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from worker.encoders.runtimes.hpu import take_card
from worker.errors import DeviceUnavailable
from worker.models.precision import OPENVINO, processor_name

_NAME = re.compile(r"cpu|openvino|(?P<kind>cuda|hpu)(?::(?P<index>[0-9]{1,3}))?")
_USE_CPU = "Use --device cpu to run without one."


def find_device(name: str) -> torch.device:
    """Return torch's device for `cpu`, `openvino`, `cuda` (the first card), `cuda:1` or `hpu:3`.

    A process sees one Gaudi card only, which its environment chose, and takes it here. Raises
    DeviceUnavailable for any other name and for a card that is not there: an encoder never falls
    back to the CPU by itself.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise DeviceUnavailable(
            f"{name!r} is no device we know.",
            "Name it cpu, openvino, cuda, hpu, or a card of several: cuda:0, hpu:3.",
        )
    if match["kind"] is None:
        return torch.device("cpu")
    if match["kind"] == "hpu":
        return take_card(name)
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


@dataclass(frozen=True)
class DescribedDevice:
    """What stands behind a device's name: `name` of the hardware, `software` that runs models."""

    name: str
    software: str


def describe_device(name: str) -> DescribedDevice:
    """Say what a device in use is; a card is asked, so this process has to hold it."""
    place = find_device(name)
    software = f"torch {torch.__version__}"
    if place.type == "cuda":
        return DescribedDevice(torch.cuda.get_device_name(place), software)
    if place.type == "hpu":
        hpu: Any = torch.get_device_module(place)
        return DescribedDevice(
            hpu.get_device_name(), f"{software}, {_version('habana-torch-plugin')}"
        )
    if name == OPENVINO:
        software = f"{_version('openvino')}, {software}"
    return DescribedDevice(processor_name(), software)


def _version(distribution: str) -> str:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return distribution
