"""What figures depend on: the processor, its cores, the versions of what computes."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from contextlib import suppress
from pathlib import Path


def processor() -> str:
    """The processor's name, as the kernel tells it."""
    with suppress(OSError):
        if match := re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()):
            return match[1]
    return platform.processor() or platform.machine()


def load() -> str:
    """How many processes wanted a core, in the last one, five and fifteen minutes."""
    return " ".join(f"{one:.1f}" for one in os.getloadavg())


def version(distribution: str) -> str:
    """The installed version, empty where there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
