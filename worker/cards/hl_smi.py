"""The Gaudi cards of this machine, as the driver's `hl-smi` lists them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from worker.cards.affinity import pci_address
from worker.cards.tool import ask_tool, quoted
from worker.errors import DeviceUnavailable

_COLUMNS = ("index", "module_id", "uuid", "bus_id", "memory.used")
_CURE = (
    "It comes with Gaudi's driver and container image: check that the driver is loaded and that "
    "the container runs with --runtime=habana. Use --device cpu to run without a card."
)
_NUMBER = re.compile(r"[0-9]{1,4}")
_UUID = re.compile(r"[0-9A-Za-z-]{1,64}")
_MEMORY = re.compile(r"(?P<mib>[0-9]{1,9})(?: ?MiB)?")
_UNKNOWN = "N/A"
_CARDS_MAX = 1024
_MIB = 1 << 20


@dataclass(frozen=True)
class GaudiCard:
    """One card. `module_id` is its place in the machine and stays; `index` may change at a boot.

    `address` is its PCI address as sysfs writes it.
    """

    index: int
    module_id: int
    uuid: str
    address: str
    memory_used_bytes: int | None


def list_gaudi_cards(tool: str = "hl-smi", timeout_s: float = 20.0) -> tuple[GaudiCard, ...]:
    """Return the cards visible here by module id; takes none of them.

    Raises DeviceUnavailable where the tool is missing, fails, hangs or is not understood.
    """
    command = [tool, "-Q", ",".join(_COLUMNS), "-f", "csv"]
    return parse_gaudi_cards(ask_tool(command, timeout_s, _CURE))


def parse_gaudi_cards(text: str) -> tuple[GaudiCard, ...]:
    """Read the tool's CSV, by module id; lines before the header are left out.

    So is a card without a module id, for it can't be asked for. Raises DeviceUnavailable for
    other text, and where two cards have one module id.
    """
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    header = next((number for number, row in enumerate(rows) if _is_header(row)), None)
    if header is None:
        raise DeviceUnavailable(f"hl-smi listed no cards but said {quoted(text)}.", _CURE)
    listed = [row for row in rows[header + 1 :] if row != [""]][:_CARDS_MAX]
    cards = [card for row in listed if (card := _read_card(row)) is not None]
    if len({card.module_id for card in cards}) < len(cards):
        raise DeviceUnavailable("hl-smi lists two cards with the same module id.", _CURE)
    return tuple(sorted(cards, key=lambda card: card.module_id))


def _is_header(row: list[str]) -> bool:
    return tuple(cell.partition(" ")[0] for cell in row) == _COLUMNS


def _read_card(row: list[str]) -> GaudiCard | None:
    try:
        index, module_id, uuid, bus_id, memory = row
        if module_id == _UNKNOWN:
            return None
        if _UUID.fullmatch(uuid) is None:
            raise ValueError("no UUID")
        return GaudiCard(
            index=_number(index),
            module_id=_number(module_id),
            uuid=uuid,
            address=pci_address(bus_id),
            memory_used_bytes=_bytes(memory),
        )
    except ValueError as error:
        line = quoted(", ".join(row))
        raise DeviceUnavailable(f"hl-smi describes a card as {line}.", _CURE) from error


def _number(text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("no number")
    return int(text)


def _bytes(text: str) -> int | None:
    if text == _UNKNOWN:
        return None
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise ValueError("no amount of memory")
    return int(match["mib"]) * _MIB
