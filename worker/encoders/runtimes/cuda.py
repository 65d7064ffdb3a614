"""PyTorch on an NVIDIA card: CUDA graphs, and copies that overlap with computing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from worker.encoders.protocol import Counts, Pixels, Vectors
from worker.errors import DeviceFailed

_CHANNELS_LAST = torch.channels_last
_WARM_UP_RUNS = 3
"""Before a capture: libraries choose their kernels and take their memory in the first runs."""


@dataclass
class _Graph:
    """The tower captured for one batch size: one launch instead of hundreds.

    `arrived` and `result` are the graph's own memory, on the card; every replay reads the one and
    overwrites the other. `staging` is pinned, so that the copy from it can run by itself; `sent`
    is when the last copy has left it.
    """

    graph: torch.cuda.CUDAGraph
    arrived: torch.Tensor
    result: torch.Tensor
    staging: torch.Tensor
    sent: torch.cuda.Event


class CudaRuntime:
    """One card. The next batch is copied to it while the one before is computed."""

    def __init__(self, tower: nn.Module, device: torch.device) -> None:
        """Move the tower to the card; raises DeviceFailed where that breaks."""
        self._device = device
        with cuda_failures(self.device):
            # Pixels come as [n, height, width, channels]: convolutions take them as they lie.
            self._tower: nn.Module = cast(Any, tower.to(device)).to(memory_format=_CHANNELS_LAST)
            self._copying = _stream(device)
        self._graphs: dict[int, _Graph] = {}

    @property
    def device(self) -> str:
        """Such as `cuda:0`."""
        return str(self._device)

    @torch.inference_mode()
    def start(self, batch: Pixels) -> torch.Tensor:
        """Send a batch and queue its computation; the first of a size captures the graph."""
        with cuda_failures(self.device), torch.cuda.device(self._device):
            if len(batch) not in self._graphs:
                self._graphs[len(batch)] = self._capture(batch)
            graph = self._graphs[len(batch)]
            graph.sent.synchronize()
            graph.staging.copy_(torch.from_numpy(batch))
            computing = torch.cuda.current_stream()
            with torch.cuda.stream(self._copying):
                travelled = graph.staging.to(self._device, non_blocking=True)
                graph.sent.record()
            travelled.record_stream(computing)
            computing.wait_event(graph.sent)
            graph.arrived.copy_(travelled)
            graph.graph.replay()
            return graph.result.clone()

    @torch.inference_mode()
    def collect(self, started: Sequence[torch.Tensor]) -> Vectors:
        """Bring all results to the host in one copy."""
        with cuda_failures(self.device), torch.cuda.device(self._device):
            return np.asarray(torch.cat(list(started)).cpu().numpy(), dtype=np.float32)

    def failures(self) -> AbstractContextManager[None]:
        """A block in which the card's errors are told as DeviceFailed."""
        return cuda_failures(self.device)

    def counts(self) -> Counts:
        """One graph per batch size, and the memory that torch holds on the card."""
        memory_bytes = int(torch.cuda.memory_reserved(self._device))
        return Counts(compilations=len(self._graphs), memory_bytes=memory_bytes)

    def _capture(self, batch: Pixels) -> _Graph:
        staging = torch.empty(batch.shape, dtype=torch.uint8, pin_memory=True)
        arrived = torch.from_numpy(batch).to(self._device)
        beside = _stream(self._device)
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UP_RUNS):
                self._tower(arrived)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = self._tower(arrived)
        return _Graph(graph, arrived, result, staging, cast(Any, torch.cuda.Event)())


def _stream(device: torch.device) -> torch.cuda.Stream:
    stream: torch.cuda.Stream = cast(Any, torch.cuda.Stream)(device)
    return stream


@contextmanager
def cuda_failures(device: str) -> Iterator[None]:
    """Tell what a card raises as DeviceFailed; it is RuntimeError for everything."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise DeviceFailed(
            f"The memory of {device} does not suffice.",
            "Give it smaller batches (--batch-size), or end what else runs on it (nvidia-smi).",
        ) from error
    except RuntimeError as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DeviceFailed(
            f"{device} failed: {words}",
            "Look at nvidia-smi and the kernel's log (dmesg) for what is wrong with the card.",
        ) from error
