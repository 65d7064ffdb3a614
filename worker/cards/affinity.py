"""Which CPUs sit next to a card: frames that cross from another socket share its link."""

from __future__ import annotations

import re
from collections.abc import Set
from pathlib import Path

SYSFS = Path("/sys")

_ADDRESS = re.compile(
    r"(?P<domain>[0-9a-fA-F]{4}|[0-9a-fA-F]{8}):(?P<rest>[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7])"
)
_RANGE = re.compile(r"(?P<first>[0-9]{1,6})(?:-(?P<last>[0-9]{1,6}))?")
_CPUS_MAX = 1 << 16


def pci_address(text: str) -> str:
    """Write a PCI address as sysfs names it, `0000:19:00.0`; raises ValueError for other text.

    nvidia-smi writes the domain with eight digits and capital letters.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["domain"], 16) > 0xFFFF:
        raise ValueError(f"{text[:40]!r} is no PCI address")
    return f"{int(match['domain'], 16):04x}:{match['rest'].lower()}"


def parse_cpus(text: str) -> frozenset[int]:
    """Read the kernel's lists of CPUs, such as `0-31,64-95`; raises ValueError for other text."""
    cpus: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f"{part[:40]!r} is no range of CPUs")
        first, last = int(match["first"]), int(match["last"] or match["first"])
        if not first <= last < _CPUS_MAX:
            raise ValueError(f"{part!r} is no range of CPUs")
        cpus.update(range(first, last + 1))
    return frozenset(cpus)


def near_cpus(address: str, usable: Set[int], sysfs: Path = SYSFS) -> frozenset[int]:
    """Those of the `usable` CPUs that share a socket with the card at a PCI address.

    All of them where the kernel does not tell, or where none is near: binding makes a process
    faster, it is no condition for its work.
    """
    listed = sysfs / "bus" / "pci" / "devices" / pci_address(address) / "local_cpulist"
    try:
        near = parse_cpus(listed.read_text(errors="replace"))
    except (OSError, ValueError):
        near = frozenset()
    return near & usable or frozenset(usable)
