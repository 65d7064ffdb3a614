"""In which numbers a model computes: what a device can do, and what is chosen for whom."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Literal

from worker.errors import DeviceUnavailable
from worker.models.card import Precision

PrecisionChoice = Literal["auto", "float32", "bfloat16", "int8"]

OPENVINO = "openvino"
_CPUS = ("cpu", OPENVINO)
_CPU_FACTS = Path("/proc/cpuinfo")
_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""As the kernel calls them: two of x86's extensions, and the one of 64-bit Arm."""


def choose_precision(choice: PrecisionChoice, model: str, device: str) -> Precision:
    """The precision for a model on a device; `auto` is the fastest that costs no accuracy.

    That is bfloat16 where the device computes in it, else float32; the starter, which is small
    and of convolutions, stays at float32. Raises DeviceUnavailable for what the device can't do:
    bfloat16 that a processor only imitates is slower than float32.
    """
    if choice == "auto":
        return "bfloat16" if model != "starter" and _computes_bfloat16(device) else "float32"
    check_precision(choice, device)
    return choice


def check_precision(precision: Precision, device: str) -> None:
    """Raise DeviceUnavailable where a device does not compute in a precision."""
    if precision == "int8" and device != OPENVINO:
        raise DeviceUnavailable(
            f"int8 runs on the device openvino only, not on {device}.",
            "Use --device openvino, or --precision bfloat16.",
        )
    if precision == "bfloat16" and not _computes_bfloat16(device):
        raise DeviceUnavailable(
            f"This processor ({platform.machine()}) has no bfloat16 instructions.",
            "Use --precision float32: imitated bfloat16 is slower than that.",
        )


def _computes_bfloat16(device: str) -> bool:
    """Cards are believed here: the process that holds one asks it."""
    return device not in _CPUS or has_bfloat16(cpu_flags())


def has_bfloat16(flags: frozenset[str]) -> bool:
    """Whether a processor of these extensions multiplies in bfloat16."""
    return bool(_BFLOAT16_FLAGS & flags)


def cpu_flags(facts: Path = _CPU_FACTS) -> frozenset[str]:
    """The processor's extensions by the kernel's names; none where the kernel tells none."""
    return frozenset(_cpu_fact(facts, ("flags", "Features")).split())


def processor_name(facts: Path = _CPU_FACTS) -> str:
    """What the kernel calls the processor, or its kind where it says nothing."""
    return _cpu_fact(facts, ("model name",)) or platform.machine()


def _cpu_fact(facts: Path, names: tuple[str, ...]) -> str:
    try:
        lines = facts.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    named = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in named if name.strip() in names), "")
