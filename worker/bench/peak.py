"""`python -P -m worker.bench.peak`: how fast a device multiplies large matrices, per precision.

That is the most any network of matrix products can reach. On the CPU two libraries are asked,
and whoever judges by the peak takes the faster one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from worker.bench.turns import Turn, cpu_s, serve_turns
from worker.encoders.device import find_device
from worker.models.card import Precision
from worker.models.precision import OPENVINO, check_precision

_CPU_SIDE = 2048
_CARD_SIDE = 8192
_MEASURED_S = 0.7
_LEVELS = 256

Multiply = Callable[[], object]


def prepare(settings: Mapping[str, Any]) -> Turn:
    """Make matrices on `device` in each of `precisions`, and the products to measure."""
    products: dict[tuple[str, Precision], tuple[Multiply, int]] = {}
    device = settings["device"]
    for precision in settings["precisions"]:
        if device in ("cpu", OPENVINO):
            check_precision(precision, OPENVINO)
            products["torch", precision] = _torch_product(precision, torch.device("cpu"))
            if settings["with_openvino"]:
                products[OPENVINO, precision] = _openvino_product(precision)
        elif precision != "int8":
            products["torch", precision] = _torch_product(precision, find_device(device))

    def turn(request: Mapping[str, Any]) -> dict[str, Any]:
        del request
        rates = [
            {"library": library, "precision": precision} | _rates(multiply, side)
            for (library, precision), (multiply, side) in products.items()
        ]
        return {"rates": rates}

    return turn


@torch.inference_mode()
def _torch_product(precision: Precision, device: torch.device) -> tuple[Multiply, int]:
    side = _CPU_SIDE if device.type == "cpu" else _CARD_SIDE
    if precision == "int8":
        first, second = (
            torch.randint(-127, 127, (side, side), dtype=torch.int8, device=device)
            for _ in range(2)
        )
        return lambda: torch._int_mm(first, second), side
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    first, second = (torch.randn(side, side, dtype=dtype, device=device) for _ in range(2))

    def multiply() -> None:
        product = torch.matmul(first, second)
        if device.type != "cpu":
            # Reading one number waits for the card.
            product[0, 0].item()

    return multiply, side


def _openvino_product(precision: Precision) -> tuple[Multiply, int]:
    """A product by constant weights, as networks have them: they are laid out once."""
    import openvino
    from openvino import opset13

    ops: Any = opset13
    side = _CPU_SIDE
    numbers = np.random.default_rng(0).standard_normal((2, side, side), np.float32)
    given = ops.parameter([side, side], np.float32)
    left, right = given, ops.constant(numbers[1])
    if precision == "int8":
        # The CPU's plugin reads these as: multiply in int8.
        left = ops.fake_quantize(left, -4.0, 4.0, -4.0, 4.0, _LEVELS)
        right = ops.fake_quantize(right, -4.0, 4.0, -4.0, 4.0, _LEVELS - 1)
    product = ops.matmul(left, right, False, False)
    model = openvino.Model([product], [given])
    hint = "bf16" if precision == "bfloat16" else "f32"
    options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.Core().compile_model(model, "CPU", options)
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(numbers[0]))
    return request.infer, side


@torch.inference_mode()
def _rates(multiply: Multiply, side: int) -> dict[str, float]:
    """Operations per second and per CPU second; a multiplication with its addition counts as two.

    Per CPU second is all threads' together: other processes disturb it less.
    """
    multiply()
    count, began_s, began_cpu_s = 0, time.perf_counter(), cpu_s()
    while (passed_s := time.perf_counter() - began_s) < _MEASURED_S:
        multiply()
        count += 1
    done = 2.0 * side**3 * count
    return {"flop_per_s": done / passed_s, "flop_per_cpu_s": done / (cpu_s() - began_cpu_s)}


if __name__ == "__main__":
    serve_turns(prepare)
