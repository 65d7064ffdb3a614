"""Images per second: the article's loop and our runtimes, on the same pixels in one run.

Every contender is a process of its own that stays loaded; they take turns, so that whatever else
the machine does falls on all of them, and medians are given. How fast the machine multiplies
matrices is measured in the same turns.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipwarden.bench import machine
from clipwarden.bench.embed_report import (
    CPU_DEVICES,
    Contender,
    EmbedReport,
    Entry,
    Missing,
    fastest,
    missing_one,
    reported,
)
from clipwarden.bench.flops import flop_per_image
from clipwarden.bench.models import in_precision
from clipwarden.bench.turns import ContenderProcess, module_command
from worker.errors import DeviceUnavailable, ModelUncalibrated
from worker.models.card import ModelCard, Precision
from worker.models.precision import OPENVINO, check_precision

Tell = Callable[[str], None]

LOOP = "the article's loop"
COMPILED = "torch.compile"
_PRECISIONS: dict[str, tuple[Precision, ...]] = {
    "cpu": ("float32", "bfloat16"),
    OPENVINO: ("float32", "bfloat16", "int8"),
}
_CARDS_PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


@dataclass(frozen=True)
class EmbedPlan:
    """What is measured, on which pictures (uint8 `[n, s, s, 3]`), with how many threads."""

    card: ModelCard
    pictures: NDArray[np.uint8]
    devices: tuple[str, ...]
    batch_sizes: tuple[int, ...]
    repeats: int
    threads: int


def contenders(
    devices: Sequence[str], batch_sizes: Sequence[int]
) -> tuple[list[Contender], list[Missing]]:
    """Who takes part besides the loop; second, who can't on this machine, and why."""
    able: list[Contender] = []
    missing: list[Missing] = []
    for device in devices:
        for precision in _PRECISIONS.get(device, _CARDS_PRECISIONS):
            runtime = "torch" if device == "cpu" else device
            each = [Contender(runtime, precision, batch, device) for batch in batch_sizes]
            if device == "cpu" and precision == "bfloat16":
                each += [replace(one, runtime=COMPILED) for one in each]
            try:
                check_precision(precision, device)
            except DeviceUnavailable as error:
                missing += [missing_one(one, error.message) for one in each]
            else:
                able += each
    return able, missing


def measure(plan: EmbedPlan, folder: Path, tell: Tell) -> EmbedReport:
    """Measure all contenders, with files in `folder`; raises ProductError where the loop fails."""
    able, missing = contenders(plan.devices, plan.batch_sizes)
    np.save(folder / "pixels.npy", plan.pictures, allow_pickle=False)
    with ExitStack() as stack:
        entries = []
        for number, contender in enumerate([_loop(), *able]):
            tell(f"starting {contender.title}")
            try:
                process = _process(contender, plan, folder / "pixels.npy")
            except ModelUncalibrated as error:
                missing.append(missing_one(contender, str(error)))
                continue
            stack.enter_context(process)
            entries.append(Entry(contender, process, folder / f"{number}.npy"))
        peaks = [(device, stack.enter_context(_peak(device, plan))) for device in _places(plan)]
        rates: list[tuple[str, dict[str, Any]]] = []
        for turn in range(plan.repeats):
            for device, process in peaks:
                tell(f"{turn + 1} of {plan.repeats}: matrix products on {device}")
                answer = process.turn({}) or {"rates": []}
                rates += [(device, rate) for rate in answer["rates"]]
            for entry in entries:
                tell(f"{turn + 1} of {plan.repeats}: {entry.contender.title}")
                cost = entry.process.turn({"vectors": str(entry.vectors)})
                entry.costs += [cost] if cost else []
    return reported(entries, missing, fastest(rates), flop_per_image(plan.card), _facts(plan))


def _loop() -> Contender:
    return Contender(LOOP, "float32", 1, "cpu")


def _process(contender: Contender, plan: EmbedPlan, pixels: Path) -> ContenderProcess:
    if contender.runtime == LOOP:
        loop_settings = {"folder": str(plan.card.folder), "pixels": str(pixels)}
        return ContenderProcess(module_command("worker.bench.loop"), loop_settings, plan.threads)
    settings = {
        "card": in_precision(plan.card, contender.precision).to_json(),
        "device": contender.device,
        "batch_size": contender.batch,
        "compiled": contender.runtime == COMPILED,
        "pixels": str(pixels),
    }
    return ContenderProcess(module_command("worker.bench.embedding"), settings, plan.threads)


def _places(plan: EmbedPlan) -> list[str]:
    """The devices whose peak counts: PyTorch's CPU and OpenVINO's are one."""
    return list(dict.fromkeys("cpu" if d in CPU_DEVICES else d for d in plan.devices))


def _peak(device: str, plan: EmbedPlan) -> ContenderProcess:
    able = {one.precision for one in contenders(plan.devices, plan.batch_sizes)[0]}
    settings = {
        "device": device,
        "precisions": sorted(able),
        "with_openvino": OPENVINO in plan.devices and bool(machine.version("openvino")),
    }
    return ContenderProcess(module_command("worker.bench.peak"), settings, plan.threads)


def _facts(plan: EmbedPlan) -> dict[str, str]:
    names = ("torch", "transformers", "openvino", "nncf")
    return {
        "processor": machine.processor(),
        "cores": f"{len(os.sched_getaffinity(0))} usable, {plan.threads} threads",
        "load": machine.load(),
        "pictures": f"{len(plan.pictures)} of {plan.card.geometry.size_px} px",
        **{name: machine.version(name) or "missing" for name in names},
    }
