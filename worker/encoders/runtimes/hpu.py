"""PyTorch on an Intel Gaudi card: eager mode, the image tower compiled once per batch size.

The bridge's classes for CLIP in optimum-habana are never applied: their attention is wrong.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from worker.cards.synapse import explain_status
from worker.encoders.protocol import Counts, Pixels, Vectors
from worker.errors import DeviceFailed, DeviceUnavailable

_NAME = re.compile(r"hpu(?::(?P<module>[0-9]{1,4}))?")
_BRIDGE = "habana_frameworks.torch"
_PINNED_BY = ("HLS_MODULE_ID", "HABANA_VISIBLE_MODULES")
_USE_CPU = "Use --device cpu to run without one."


class HpuRuntime:
    """The card of this process, which can hold one only. What it compiles stands after warm-up."""

    def __init__(self, tower: nn.Module, device: str) -> None:
        """Take the card called `hpu` or `hpu:3` and move the tower to it.

        Raises DeviceUnavailable as `take_card` does, DeviceFailed where the card breaks.
        """
        self._device = device
        self._place = take_card(device)
        self._metrics = _metrics()
        with hpu_failures(device):
            self._tower: Any = torch.compile(
                tower.to(self._place), backend="hpu_backend", dynamic=False
            )

    @property
    def device(self) -> str:
        """Such as `hpu:3`; its number is the module's, and tensors go to plain `hpu`."""
        return self._device

    @torch.no_grad()
    def start(self, batch: Pixels) -> torch.Tensor:
        """Send a batch and queue its computation; the first of a size compiles.

        The memory copied from is not pinned: the vendor's documents contradict each other there.
        """
        with hpu_failures(self._device):
            result: torch.Tensor = self._tower(torch.from_numpy(batch).to(self._place))
            return result

    @torch.no_grad()
    def collect(self, started: Sequence[torch.Tensor]) -> Vectors:
        """Bring all results to the host in one copy, for each waits for the card."""
        with hpu_failures(self._device):
            return np.asarray(torch.cat(list(started)).cpu().numpy(), dtype=np.float32)

    def failures(self) -> AbstractContextManager[None]:
        """A block in which the card's errors are told as DeviceFailed."""
        return hpu_failures(self._device)

    def counts(self) -> Counts:
        """What the bridge counted in this process: it leaves out what its recipe cache held."""
        with hpu_failures(self._device):
            return Counts(
                compilations=self._total("graph_compilation"),
                fallbacks=self._total("cpu_fallback"),
                memory_bytes=int(_card_module().memory_stats()["InUse"]),
            )

    def _total(self, name: str) -> int:
        return int(dict(self._metrics[name].stats())["TotalNumber"])


def take_card(device: str) -> torch.device:
    """Take the Gaudi card that this process was started for; returns where tensors are sent.

    A process holds one card until it ends. It must have been started with the variables of
    `worker.cards.environment`. Raises DeviceUnavailable without them, without the bridge, and
    where the card is not there, not free or not usable.
    """
    match = _NAME.fullmatch(device)
    if match is None:
        raise DeviceUnavailable(f"{device!r} is no Gaudi card.", "Name it hpu or hpu:N.")
    if os.environ.get("PT_HPU_LAZY_MODE") != "0":
        raise DeviceUnavailable(
            "This process was not started for a Gaudi card: PT_HPU_LAZY_MODE is not 0.",
            "Set it before Python starts: whoever imports torch first reads it.",
        )
    _import_bridge()
    _check_pinning(device, match["module"])
    place = torch.device("hpu")
    try:
        torch.zeros(1).to(place)
    except RuntimeError as error:
        words, cure = explain_status(str(error))
        raise DeviceUnavailable(f"{device} can't be used: {words}.", cure) from error
    return place


@contextmanager
def hpu_failures(device: str) -> Iterator[None]:
    """Tell what a card raises as DeviceFailed; it is RuntimeError for everything.

    The process must end then: neither the card nor the bridge gets well in it.
    """
    try:
        yield
    except RuntimeError as error:
        words, cure = explain_status(str(error))
        raise DeviceFailed(f"{device} failed: {words}.", cure) from error


def _import_bridge() -> None:
    try:
        importlib.import_module(_BRIDGE)
    except ModuleNotFoundError as error:
        raise DeviceUnavailable(
            f"Gaudi's bridge for PyTorch is missing here ({error}).",
            "It is on no package index: install Clipwarden in Gaudi's own PyTorch image, over "
            f"nothing that is there. {_USE_CPU}",
        ) from error
    # It raises all of these itself: for another torch than its own, for a library that is missing.
    except (ImportError, AssertionError, OSError, RuntimeError) as error:
        raise DeviceUnavailable(
            f"Gaudi's bridge for PyTorch does not start beside torch {torch.__version__}: {error}",
            "Keep the torch of Gaudi's own image, whose version must fit the host's driver.",
        ) from error


def _check_pinning(device: str, module: str | None) -> None:
    """See that no other card than the one asked for can be taken."""
    if module is None or _card_module().device_count() < 2:
        return
    pinned = {name: os.environ.get(name) for name in _PINNED_BY}
    if any(value != module for value in pinned.values()):
        found = ", ".join(f"{name}={value or ''}" for name, value in pinned.items())
        raise DeviceUnavailable(
            f"This process was not started for {device}: it has {found}.",
            f"Set both to {module} before Python starts.",
        )


def _metrics() -> dict[str, Any]:
    """What counts the bridge's compilations and fallbacks; raises DeviceUnavailable without."""
    metric_global = importlib.import_module(f"{_BRIDGE}.hpu.metrics").metric_global
    found = {name: metric_global(name) for name in ("graph_compilation", "cpu_fallback")}
    missing = [name for name, metric in found.items() if metric is None]
    if missing:
        raise DeviceUnavailable(
            f"Gaudi's bridge does not count what it should: {', '.join(missing)}.",
            "Use Gaudi's PyTorch image of version 1.20 or later.",
        )
    return found


def _card_module() -> Any:
    """`torch.hpu`, which the bridge adds to torch."""
    return importlib.import_module(f"{_BRIDGE}.hpu")
