"""Where a process that embeds is to run: its variables, and the CPUs next to its card."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from platformdirs import user_cache_path

from worker.cards.affinity import near_cpus
from worker.cards.environment import (
    RecipeCache,
    choose_module,
    device_environment,
    granted_modules,
    is_gaudi,
)
from worker.cards.hl_smi import list_gaudi_cards
from worker.cards.nvidia_smi import NvidiaCard, list_nvidia_cards, visible_cards
from worker.errors import DeviceUnavailable

_ALL = re.compile(r"(?P<kind>cuda|hpu):all")
_NVIDIA = re.compile(r"cuda(?::(?P<index>[0-9]{1,4}))?")


@dataclass(frozen=True)
class Placement:
    """What to start a process with: variables set anew, and CPUs, none for all of them."""

    variables: Mapping[str, str]
    cpus: tuple[int, ...] = ()


def place(device: str, inherited: Mapping[str, str] = os.environ) -> Placement:
    """Say how to start the process that is to embed on `device`; takes no card.

    Raises DeviceUnavailable for a Gaudi card that is not there. An NVIDIA card is looked for by
    the process itself: without nvidia-smi it only is not bound to CPUs.
    """
    if is_gaudi(device):
        cards = {card.module_id: card for card in list_gaudi_cards()}
        wanted = device_environment(device, inherited, sorted(cards), _recipe_cache())
        chosen = cards[choose_module(device, inherited, sorted(cards))]
        return Placement(_new(wanted, inherited), _near(chosen.address))
    wanted = device_environment(device, inherited)
    if match := _NVIDIA.fullmatch(device):
        return Placement(_new(wanted, inherited), _near_nvidia(int(match["index"] or 0), inherited))
    return Placement(_new(wanted, inherited))


def all_devices(names: Iterable[str]) -> tuple[str, ...]:
    """The devices of `names`, with `cuda:all` and `hpu:all` written out.

    Raises DeviceUnavailable where there are none of that kind, or one is named twice.
    """
    devices: list[str] = []
    for name in names:
        match = _ALL.fullmatch(name)
        if match is None:
            devices.append(name)
        else:
            devices += _all_of(match["kind"])
    cards = [name for name in devices if name.startswith(("cuda", "hpu"))]
    twice = {name for name in cards if cards.count(name) > 1}
    if twice:
        raise DeviceUnavailable(
            f"{', '.join(sorted(twice))} is named twice.", "One process embeds on one card."
        )
    return tuple(devices)


def _all_of(kind: str) -> list[str]:
    if kind == "hpu":
        modules = [card.module_id for card in list_gaudi_cards()]
        numbers, limit = granted_modules(os.environ, modules), "HABANA_VISIBLE_MODULES"
    else:
        numbers, limit = [*range(len(_nvidia_cards(os.environ)))], "CUDA_VISIBLE_DEVICES"
    if not numbers:
        tool = "hl-smi" if kind == "hpu" else "nvidia-smi"
        raise DeviceUnavailable(
            f"There is no card for {kind}:all.",
            f"Check {tool} and {limit}. Use --device cpu to run without one.",
        )
    return [f"{kind}:{number}" for number in numbers]


def _recipe_cache() -> RecipeCache | None:
    """A folder for compiled graphs; None where nothing can be kept, which costs time only."""
    folder = user_cache_path("clipwarden") / "hpu-recipes"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return RecipeCache(folder)


def _new(wanted: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in wanted.items() if inherited.get(name) != value}


def _near(address: str) -> tuple[int, ...]:
    usable = os.sched_getaffinity(0)
    near = near_cpus(address, usable)
    return () if near == usable else tuple(sorted(near))


def _near_nvidia(index: int, inherited: Mapping[str, str]) -> tuple[int, ...]:
    try:
        cards = _nvidia_cards(inherited)
    except DeviceUnavailable:
        return ()
    return _near(cards[index].address) if index < len(cards) else ()


def _nvidia_cards(inherited: Mapping[str, str]) -> tuple[NvidiaCard, ...]:
    return visible_cards(list_nvidia_cards(), inherited.get("CUDA_VISIBLE_DEVICES"))
