"""What a process finds in its environment, by the device that it is started for."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.cards.environment import (
    RecipeCache,
    choose_module,
    device_environment,
    granted_modules,
    is_gaudi,
)
from worker.errors import DeviceUnavailable

LAUNCHER = {
    "WORLD_SIZE": "8",
    "RANK": "3",
    "LOCAL_RANK": "3",
    "OMPI_COMM_WORLD_SIZE": "8",
    "OMPI_COMM_WORLD_LOCAL_RANK": "3",
}
EIGHT = range(8)


def test_a_card_is_pinned_by_both_variables() -> None:
    made = device_environment("hpu:5", {"HOME": "/home"}, EIGHT)
    assert made == {
        "HOME": "/home",
        "PT_HPU_LAZY_MODE": "0",
        "HLS_MODULE_ID": "5",
        "HABANA_VISIBLE_MODULES": "5",
        "TORCH_DEVICE_BACKEND_AUTOLOAD": "0",
    }


@pytest.mark.parametrize("device", ["cpu", "openvino", "cuda:1", "hpu:1"])
def test_what_a_launcher_left_is_taken_out_for_every_device(device: str) -> None:
    inherited = LAUNCHER | {"RANKING": "kept"}
    made = device_environment(device, inherited, EIGHT)
    assert not set(made) & set(LAUNCHER)
    assert made["RANKING"] == "kept"
    assert made["TORCH_DEVICE_BACKEND_AUTOLOAD"] == "0"
    assert inherited["WORLD_SIZE"] == "8"


def test_pinning_replaces_what_was_inherited() -> None:
    inherited = {"HLS_MODULE_ID": "1", "PT_HPU_LAZY_MODE": "1"}
    made = device_environment("hpu:2", inherited, EIGHT)
    assert (made["HLS_MODULE_ID"], made["PT_HPU_LAZY_MODE"]) == ("2", "0")


@pytest.mark.parametrize(
    "inherited",
    [{}, {"HABANA_VISIBLE_MODULES": "0"}, {"HLS_MODULE_ID": "0", "HABANA_VISIBLE_MODULES": "0"}],
)
@pytest.mark.parametrize("device", ["hpu", "hpu:5"])
def test_a_single_visible_card_is_left_as_its_container_set_it(
    device: str, inherited: dict[str, str]
) -> None:
    made = device_environment(device, inherited, [5])
    names = ("HLS_MODULE_ID", "HABANA_VISIBLE_MODULES")
    assert {name: made[name] for name in names if name in made} == inherited


def test_of_several_cards_those_count_that_were_granted() -> None:
    granted = {"HABANA_VISIBLE_MODULES": "6,4"}
    assert choose_module("hpu", {}, [3, 1, 2]) == 1
    assert choose_module("hpu", granted, EIGHT) == 4
    assert choose_module("hpu:6", granted, EIGHT) == 6
    with pytest.raises(DeviceUnavailable, match="no device hpu:5") as caught:
        choose_module("hpu:5", granted, EIGHT)
    assert "hpu:4, hpu:6" in caught.value.cure


@pytest.mark.parametrize(
    ("granted", "modules", "ours"),
    [
        ({}, [2, 0], [0, 2]),
        ({"HABANA_VISIBLE_MODULES": ""}, [2, 0], [0, 2]),
        ({"HABANA_VISIBLE_MODULES": "2, 7"}, [2, 0], [2]),
        ({"HABANA_VISIBLE_MODULES": "7"}, [2, 0], []),
        ({"HABANA_VISIBLE_MODULES": "0"}, [5], [5]),
    ],
)
def test_a_part_of_the_machine_may_be_granted(
    granted: dict[str, str], modules: list[int], ours: list[int]
) -> None:
    assert granted_modules(granted, modules) == ours


def test_a_module_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(DeviceUnavailable, match="no device hpu:8") as caught:
        device_environment("hpu:8", {}, [0, 2])
    assert "hpu:0, hpu:2" in caught.value.cure


def test_a_machine_without_cards_is_told_so() -> None:
    with pytest.raises(DeviceUnavailable, match="No Gaudi card"):
        device_environment("hpu", {}, [])


@pytest.mark.parametrize("device", ["cpu", "cuda:0", "openvino", "hpu:", "hpu:x", "hpus"])
def test_other_names_are_no_gaudi_cards(device: str) -> None:
    assert not is_gaudi(device)
    with pytest.raises(DeviceUnavailable, match="is no Gaudi card"):
        choose_module(device, {}, EIGHT)


def test_compiled_graphs_are_kept_between_runs_unless_the_user_says_where(tmp_path: Path) -> None:
    recipes = RecipeCache(tmp_path, size_mb=100)
    made = device_environment("hpu", {}, [0], recipes)
    assert made["PT_HPU_RECIPE_CACHE_CONFIG"] == f"{tmp_path},false,100"
    theirs = {"PT_HPU_RECIPE_CACHE_CONFIG": "/elsewhere,true,1"}
    made = device_environment("hpu", theirs, [0], recipes)
    assert made["PT_HPU_RECIPE_CACHE_CONFIG"] == "/elsewhere,true,1"
    assert "PT_HPU_RECIPE_CACHE_CONFIG" not in device_environment("cpu", {}, [], recipes)


def test_a_comma_would_end_the_path_of_compiled_graphs(tmp_path: Path) -> None:
    with pytest.raises(DeviceUnavailable, match="commas end the path"):
        device_environment("hpu", {}, [0], RecipeCache(tmp_path / "a,b"))


def test_cuda_counts_cards_as_nvidia_smi_does_unless_the_user_says_otherwise() -> None:
    assert device_environment("cuda:1", {})["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    fastest = {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}
    assert device_environment("cuda", fastest)["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
    assert "PT_HPU_LAZY_MODE" not in device_environment("cuda", {})
