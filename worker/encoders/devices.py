"""`python -P -m worker.encoders.devices`: which devices this machine can use, as JSON.

A process of its own, because the command line never imports torch. No card is taken.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import torch

from worker.cards.hl_smi import list_gaudi_cards
from worker.errors import DeviceUnavailable
from worker.models.precision import OPENVINO, cpu_flags, has_bfloat16, processor_name

_BRIDGE = "habana_frameworks"


def list_devices() -> list[dict[str, str]]:
    """Return each usable device's name, as `--device` takes it, with a description."""
    numbers = "float32, bfloat16" if has_bfloat16(cpu_flags()) else "float32, no bfloat16"
    cpu = f"{processor_name()}, {torch.get_num_threads()} threads, {numbers}"
    devices = [{"name": "cpu", "description": cpu}]
    try:
        faster = f"the CPU by OpenVINO {version('openvino')}, {numbers}, int8"
        devices.append({"name": OPENVINO, "description": faster})
    except PackageNotFoundError:
        # An extra: doctor tells of those that are missing.
        pass
    for index in range(torch.cuda.device_count()):
        devices.append({"name": f"cuda:{index}", "description": torch.cuda.get_device_name(index)})
    return [*devices, *_gaudi_devices()]


def _gaudi_devices() -> list[dict[str, str]]:
    """Cards that the driver's tool lists; without the bridge none can be used."""
    if find_spec(_BRIDGE) is None:
        return []
    try:
        cards = list_gaudi_cards()
    except DeviceUnavailable as error:
        return [{"name": "hpu", "description": f"can't be used: {error.message}"}]
    return [
        {"name": f"hpu:{card.module_id}", "description": f"Gaudi at {card.address}"}
        for card in cards
    ]


if __name__ == "__main__":
    json.dump({"torch": torch.__version__, "devices": list_devices()}, sys.stdout)
