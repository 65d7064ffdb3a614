"""`python -P -m worker.encoders.devices`: which devices this machine's torch can use, as JSON.

A process of its own, because the command line never imports torch.
"""

from __future__ import annotations

import json
import sys

import torch


def list_devices() -> list[dict[str, str]]:
    """Return each usable device's name, as `--device` takes it, with a description."""
    devices = [{"name": "cpu", "description": f"{torch.get_num_threads()} threads"}]
    for index in range(torch.cuda.device_count()):
        devices.append({"name": f"cuda:{index}", "description": torch.cuda.get_device_name(index)})
    return devices


if __name__ == "__main__":
    json.dump({"torch": torch.__version__, "devices": list_devices()}, sys.stdout)
