"""`python -P -m worker.bench.peak`: how fast a device multiplies large matrices, per precision.

That is the most any network of matrix products can reach. On the CPU two libraries are asked,
and whoever judges by the peak takes the faster one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
import torch

from worker.bench.turns import Turn, cpu_s, serve_turns
from worker.encoders.device import find_device
from worker.models.card import Precision
from worker.models.precision import OPENVINO

_CPU_SIDES = (1024, 2048)
_CARD_SIDES = (8192,)
_MEASURED_S = 0.5
_LEVELS = 256

Multiply = Callable[[], object]


def prepare(settings: Mapping[str, Any]) -> Turn:
    """Make matrices on `device` in each of `precisions`, and the products to measure."""
    products: dict[tuple[str, Precision, int], Multiply] = {}
    on_cpu = settings["device"] == "cpu"
    place = find_device(settings["device"])
    for precision, side in product(settings["precisions"], _CPU_SIDES if on_cpu else _CARD_SIDES):
        if not on_cpu and precision == "int8":
            continue
        products["torch", precision, side] = _torch_product(precision, side, place)
        if on_cpu and settings["with_openvino"]:
            products[OPENVINO, precision, side] = _openvino_product(precision, side)

    def turn(request: Mapping[str, Any]) -> dict[str, Any]:
        del request
        rates = [
            {"library": library, "precision": precision, "side": side} | _rates(multiply, side)
            for (library, precision, side), multiply in products.items()
        ]
        return {"rates": rates}

    return turn


@torch.inference_mode()
def _torch_product(precision: Precision, side: int, device: torch.device) -> Multiply:
    if precision == "int8":
        first, second = (
            torch.randint(-127, 127, (side, side), dtype=torch.int8, device=device)
            for _ in range(2)
        )
        return lambda: torch._int_mm(first, second)
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    first, second = (torch.randn(side, side, dtype=dtype, device=device) for _ in range(2))

    def multiply() -> None:
        multiplied = torch.matmul(first, second)
        if device.type != "cpu":
            # Reading one number waits for the card.
            multiplied[0, 0].item()

    return multiply


def _openvino_product(precision: Precision, side: int) -> Multiply:
    """A product by constant weights, as networks have them: they are laid out once."""
    import openvino
    from openvino import opset13

    ops: Any = opset13
    numbers = np.random.default_rng(0).standard_normal((2, side, side), np.float32)
    given = ops.parameter([side, side], np.float32)
    left, right = given, ops.constant(numbers[1])
    if precision == "int8":
        # The CPU's plugin reads these as: multiply in int8.
        left = ops.fake_quantize(left, -4.0, 4.0, -4.0, 4.0, _LEVELS)
        right = ops.fake_quantize(right, -4.0, 4.0, -4.0, 4.0, _LEVELS - 1)
    model = openvino.Model([ops.matmul(left, right, False, False)], [given])
    hint = "bf16" if precision == "bfloat16" else "f32"
    options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.Core().compile_model(model, "CPU", options)
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(numbers[0]))
    infer: Multiply = request.infer
    return infer


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
