"""What a process must find in its environment to compute on the device it was started for.

Drivers and bridges read these variables when they are imported: only a parent can set them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.errors import DeviceUnavailable

_HPU = re.compile(r"hpu(?::(?P<module>[0-9]{1,4}))?")

# A launcher's leftovers make Gaudi's bridge pick a card by rank, whatever was asked for.
_LAUNCHER = frozenset({"WORLD_SIZE", "RANK", "LOCAL_RANK"})
_LAUNCHER_PREFIX = "OMPI_"

_MODULE = "HLS_MODULE_ID"
_MODULES = "HABANA_VISIBLE_MODULES"
_RECIPES = "PT_HPU_RECIPE_CACHE_CONFIG"


@dataclass(frozen=True)
class RecipeCache:
    """Where Gaudi keeps compiled graphs between runs, shared by all cards; a local disk."""

    folder: Path
    size_mb: int = 4096


def is_of_launcher(name: str) -> bool:
    """Whether a variable is one that a launcher leaves behind."""
    return name in _LAUNCHER or name.startswith(_LAUNCHER_PREFIX)


def is_gaudi(device: str) -> bool:
    """Whether a device is called `hpu` or `hpu:N`."""
    return _HPU.fullmatch(device) is not None


def device_environment(
    device: str,
    inherited: Mapping[str, str],
    modules: Sequence[int] = (),
    recipes: RecipeCache | None = None,
) -> dict[str, str]:
    """The variables for a process that is to embed on `device`, made from those it would inherit.

    `modules` are the ids of the Gaudi modules visible here (`list_gaudi_cards`) and matter for
    `hpu` alone, as do `recipes`. Raises DeviceUnavailable for a module that is not among them.
    """
    kept = {name: value for name, value in inherited.items() if not is_of_launcher(name)}
    # Every device's module is imported by whoever needs it, and its failure told in our words;
    # torch would import all that are installed, a card's bridge in a process for the CPU too.
    kept["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"
    if device.partition(":")[0] == "cuda":
        # As nvidia-smi counts, instead of the fastest first.
        return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} | kept
    if not is_gaudi(device):
        return kept
    # Its default differs between releases, and transformers assumes a third.
    kept["PT_HPU_LAZY_MODE"] = "0"
    module = choose_module(device, inherited, modules)
    # Inside a container a card's id may differ from the host's; what its runtime set holds.
    if len(modules) > 1:
        # Either alone is not enough: the bridge then takes any free card.
        kept |= {_MODULE: str(module), _MODULES: str(module)}
    if recipes is not None and _RECIPES not in kept:
        kept[_RECIPES] = _recipes_value(recipes)
    return kept


def granted_modules(inherited: Mapping[str, str], modules: Sequence[int]) -> list[int]:
    """Of the modules visible here those that `HABANA_VISIBLE_MODULES` leaves to us, ascending.

    A single one is ours by whatever id: inside a container its id may differ from the host's.
    """
    granted = inherited.get(_MODULES)
    if not granted or len(modules) == 1:
        return sorted(modules)
    named = {part.strip() for part in granted.split(",")}
    return sorted(module for module in modules if str(module) in named)


def choose_module(device: str, inherited: Mapping[str, str], modules: Sequence[int]) -> int:
    """The module that `hpu:N` names, and for `hpu` the first of those granted.

    Raises DeviceUnavailable for any other module.
    """
    match = _HPU.fullmatch(device)
    if match is None:
        raise DeviceUnavailable(f"{device!r} is no Gaudi card.", "Name it hpu or hpu:N.")
    allowed = granted_modules(inherited, modules)
    if not allowed:
        raise DeviceUnavailable(
            "No Gaudi card is visible here.",
            "Check hl-smi, HABANA_VISIBLE_DEVICES and HABANA_VISIBLE_MODULES. Use --device cpu to "
            "run without one.",
        )
    asked = int(match["module"]) if match["module"] else allowed[0]
    if asked not in allowed:
        names = ", ".join(f"hpu:{module}" for module in allowed)
        raise DeviceUnavailable(
            f"There is no device hpu:{asked} here.",
            f"The cards of this machine that this process may use are {names}; the number is the "
            "module_id of hl-smi -Q module_id -f csv.",
        )
    return asked


def _recipes_value(recipes: RecipeCache) -> str:
    folder = str(recipes.folder)
    if "," in folder:
        raise DeviceUnavailable(
            f"Gaudi can't keep compiled graphs in {folder}: commas end the path for it.",
            f"Use a data folder without commas, or set {_RECIPES} to another folder.",
        )
    # The second field would empty the folder at each start.
    return f"{folder},false,{recipes.size_mb}"
