"""A machine that seems to hold Gaudi cards: a fake hl-smi, and processes with a fake bridge."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

FAKES = Path(__file__).parent
ROOT = Path(__file__).parents[2]

HEADER = "index, module_id, uuid, bus_id, memory.used [MiB]"


def hl_smi_line(index: int, module_id: int) -> str:
    """One card as the tool describes it."""
    uuid = f"01P0-FAKE-{module_id:02d}"
    return f"{index}, {module_id}, {uuid}, 0000:{0x10 + module_id:02x}:00.0, 768 MiB"


def write_hl_smi(folder: Path, modules: Sequence[int], ending: str = "exit 0") -> Path:
    """Write a fake `hl-smi` that lists modules in that order and then ends; returns its path."""
    lines = [HEADER, *(hl_smi_line(index, module) for index, module in enumerate(modules))]
    return write_tool(folder / "hl-smi", "\n".join(lines), ending)


def write_tool(path: Path, output: str, ending: str = "exit 0") -> Path:
    """Write a script that prints something and then does `ending`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nprintf '%s\\n' {shlex.quote(output)}\n{ending}\n")
    path.chmod(0o755)
    return path


def fake_gaudi(folder: Path, changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """The environment of a process that finds the fake bridge, with the locks in `folder`.

    What a process needs beyond that is not set: see `worker.cards.environment`. Values of None
    are taken out.
    """
    variables: dict[str, str | None] = {
        **os.environ,
        "FAKE_HPU": "1",
        "FAKE_HPU_LOCKS": str(folder),
        "PYTHONPATH": os.pathsep.join([str(FAKES), str(ROOT)]),
        "OMP_NUM_THREADS": "1",
        **(changes or {}),
    }
    return {name: value for name, value in variables.items() if value is not None}
