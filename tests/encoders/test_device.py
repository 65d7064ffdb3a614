"""Which devices an encoder can be asked to run on."""

from __future__ import annotations

import pytest
import torch

from worker.encoders.device import find_device
from worker.errors import DeviceUnavailable


def test_the_cpu_is_always_there() -> None:
    assert find_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    "name", ["", "gpu", "cuda:", "cuda:-1", "cuda:0x1", "hpux", "meta", "cpu:1"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(DeviceUnavailable, match="no device we know"):
        find_device(name)


def test_a_missing_card_is_an_error_with_its_cure_and_no_fallback_to_the_cpu() -> None:
    missing = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(DeviceUnavailable, match="--device cpu") as caught:
        find_device(missing)
    assert caught.value.code == "device.unavailable"
