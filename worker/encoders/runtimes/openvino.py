"""OpenVINO on the CPU: the fastest there in every precision, and the only one with int8."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from worker.encoders.protocol import Counts, Pixels, Vectors
from worker.encoders.runtimes.openvino_models import converted_model
from worker.errors import DeviceFailed, DeviceUnavailable
from worker.models.card import ModelCard, Precision
from worker.models.precision import OPENVINO, cpu_flags, has_bfloat16

try:
    import openvino
except ImportError as error:  # pragma: no cover - an environment of its own
    raise DeviceUnavailable(
        "OpenVINO is not installed.", "Install it: pip install 'clipwarden[openvino]'"
    ) from error


class OpenVinoRuntime:
    """One compiled model per batch size: a model for any size is some percent slower."""

    device = OPENVINO

    def __init__(self, card: ModelCard, threads: int) -> None:
        """Read the converted model, converting it first where that was never done here.

        Raises DeviceUnavailable where OpenVINO can't, ModelError where the model can't be read.
        """
        self._core = openvino.Core()
        self._path = converted_model(card)
        self._options = {
            "INFERENCE_PRECISION_HINT": _hint(card.precision),
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
        }
        self._compiled: dict[int, openvino.CompiledModel] = {}

    def start(self, batch: Pixels) -> Vectors:
        """Compute a batch; the first of a size compiles the model for it."""
        try:
            if len(batch) not in self._compiled:
                self._compiled[len(batch)] = self._compile(batch)
            (vectors,) = self._compiled[len(batch)](batch).values()
        except RuntimeError as error:
            words = (str(error).strip().splitlines() or ["RuntimeError"])[0]
            raise DeviceFailed(
                f"OpenVINO failed: {words}", "Use --device cpu, which runs the model by PyTorch."
            ) from error
        # Its memory is the runtime's and holds the next batch's vectors soon.
        return np.array(vectors, dtype=np.float32)

    def collect(self, started: Sequence[Vectors]) -> Vectors:
        """Put the batches together."""
        return np.concatenate(started)

    def failures(self) -> AbstractContextManager[None]:
        """None to tell apart: the processor is this process's own."""
        return nullcontext()

    def counts(self) -> Counts:
        """One compiled model per batch size; the memory is the process's."""
        return Counts(compilations=len(self._compiled))

    def _compile(self, batch: Pixels) -> openvino.CompiledModel:
        model = self._core.read_model(self._path)
        model.reshape(list(batch.shape))
        return self._core.compile_model(model, "CPU", self._options)


def _hint(precision: Precision) -> str:
    """What computes the layers that are not int8 follows the processor."""
    if precision == "int8":
        return "bf16" if has_bfloat16(cpu_flags()) else "f32"
    return "bf16" if precision == "bfloat16" else "f32"
