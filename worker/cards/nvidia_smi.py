"""The NVIDIA cards of this machine, as the driver's `nvidia-smi` lists them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from worker.cards.affinity import pci_address
from worker.cards.tool import ask_tool, quoted
from worker.errors import DeviceUnavailable

_COLUMNS = "index,uuid,name,pci.bus_id,memory.total,compute_cap"
_CURE = (
    "It comes with NVIDIA's driver: check that the driver is loaded and that the container runs "
    "with --gpus. Use --device cpu to run without a card."
)
# A name may hold commas; the columns around it may not.
_LINE = re.compile(
    r"(?P<index>[0-9]{1,4}), (?P<uuid>[0-9A-Za-z-]{1,64}), (?P<name>[ -~]{1,128}), "
    r"(?P<address>[0-9A-Fa-f:.]{12,16}), (?P<memory>[0-9]{1,9}|\[N/A\]), "
    r"(?P<major>[0-9]{1,3})\.(?P<minor>[0-9]{1,3})"
)
_CARDS_MAX = 1024
_MIB = 1 << 20


@dataclass(frozen=True)
class NvidiaCard:
    """One card. `address` is its PCI address as sysfs writes it; `compute` is such as (9, 0)."""

    index: int
    uuid: str
    name: str
    address: str
    memory_bytes: int | None
    compute: tuple[int, int]


def list_nvidia_cards(tool: str = "nvidia-smi", timeout_s: float = 20.0) -> tuple[NvidiaCard, ...]:
    """Return the driver's cards by index; takes none of them.

    Raises DeviceUnavailable where the tool is missing, fails, hangs or is not understood.
    """
    command = [tool, f"--query-gpu={_COLUMNS}", "--format=csv,noheader,nounits"]
    return parse_nvidia_cards(ask_tool(command, timeout_s, _CURE))


def parse_nvidia_cards(text: str) -> tuple[NvidiaCard, ...]:
    """Read the tool's lines, by index; raises DeviceUnavailable for other text."""
    lines = [line.strip() for line in text.splitlines() if line.strip()][:_CARDS_MAX]
    return tuple(sorted((_read_card(line) for line in lines), key=lambda card: card.index))


def visible_cards(cards: Sequence[NvidiaCard], visible: str | None) -> tuple[NvidiaCard, ...]:
    """The cards that CUDA counts as `cuda:0`, `cuda:1`... under `CUDA_VISIBLE_DEVICES`.

    That variable names indices or beginnings of UUIDs, and ends at the first that is no card:
    https://docs.nvidia.com/cuda/cuda-c-programming-guide/index.html#env-vars. Indices are those
    of the tool where `CUDA_DEVICE_ORDER` is `PCI_BUS_ID`. Parts of a card (MIG) are none here.
    """
    if visible is None:
        return tuple(cards)
    found: list[NvidiaCard] = []
    for asked in (part.strip() for part in visible.split(",")):
        matches = [card for card in cards if _is_asked(card, asked)]
        if len(matches) != 1 or matches[0] in found:
            break
        found += matches
    return tuple(found)


def _is_asked(card: NvidiaCard, asked: str) -> bool:
    if asked.isascii() and asked.isdecimal():
        return card.index == int(asked)
    return asked.startswith("GPU-") and card.uuid.startswith(asked)


def _read_card(line: str) -> NvidiaCard:
    match = _LINE.fullmatch(line)
    try:
        if match is None:
            raise ValueError("other columns")
        address = pci_address(match["address"])
    except ValueError as error:
        raise DeviceUnavailable(f"nvidia-smi describes a card as {quoted(line)}.", _CURE) from error
    memory = match["memory"]
    return NvidiaCard(
        index=int(match["index"]),
        uuid=match["uuid"],
        name=match["name"],
        address=address,
        memory_bytes=int(memory) * _MIB if memory.isdecimal() else None,
        compute=(int(match["major"]), int(match["minor"])),
    )
