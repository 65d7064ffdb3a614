"""PyTorch on the CPU, as it comes: compiling gains less here than another runtime does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import nn

from worker.encoders.protocol import Counts, Pixels, Vectors


class CpuRuntime:
    """Computes each batch at once, in this process's threads."""

    device = "cpu"

    def __init__(self, tower: nn.Module) -> None:
        self._tower = tower

    @torch.inference_mode()
    def start(self, batch: Pixels) -> Vectors:
        """Compute a batch."""
        return np.asarray(self._tower(torch.from_numpy(batch)).numpy(), dtype=np.float32)

    def collect(self, started: Sequence[Vectors]) -> Vectors:
        """Put the batches together."""
        return np.concatenate(started)

    def failures(self) -> AbstractContextManager[None]:
        """None to tell apart: the processor is this process's own."""
        return nullcontext()

    def counts(self) -> Counts:
        """Nothing is compiled, and the memory is the process's."""
        return Counts()
