"""Where a process that embeds is put."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fakes.gaudi import write_hl_smi, write_tool
from worker.cards.placing import all_devices, place
from worker.errors import DeviceUnavailable

_NVIDIA = (
    "0, GPU-aaaa, FAKE H1, 00000000:19:00.0, 81920, 9.0\n"
    "1, GPU-bbbb, FAKE H1, 00000000:9A:00.0, 81920, 9.0"
)


@pytest.fixture(autouse=True)
def _no_real_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tools").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'tools'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("CUDA_VISIBLE_DEVICES", "HABANA_VISIBLE_MODULES", "HLS_MODULE_ID"):
        monkeypatch.delenv(name, raising=False)


def test_the_cpu_needs_nothing_but_that_no_cards_bridge_is_imported() -> None:
    placement = place("cpu", {})
    assert placement.cpus == ()
    assert placement.variables == {"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}


def test_a_gaudi_card_is_pinned_twice_and_keeps_its_recipes(tmp_path: Path) -> None:
    write_hl_smi(tmp_path / "tools", [4, 5])
    variables = place("hpu:5", {"WORLD_SIZE": "8"}).variables
    assert variables["HLS_MODULE_ID"] == variables["HABANA_VISIBLE_MODULES"] == "5"
    assert variables["PT_HPU_LAZY_MODE"] == "0"
    folder = Path(variables["PT_HPU_RECIPE_CACHE_CONFIG"].split(",")[0])
    assert folder.is_relative_to(tmp_path / "cache")
    assert folder.is_dir()


def test_a_missing_gaudi_card_is_said_before_anything_starts(tmp_path: Path) -> None:
    write_hl_smi(tmp_path / "tools", [4, 5])
    with pytest.raises(DeviceUnavailable, match="hpu:7"):
        place("hpu:7", {})


def test_without_hl_smi_the_cure_is_said() -> None:
    with pytest.raises(DeviceUnavailable) as caught:
        place("hpu", {})
    assert caught.value.cure


def test_an_nvidia_card_is_counted_as_nvidia_smi_does() -> None:
    placement = place("cuda:1", {})
    assert placement.variables["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert placement.cpus == ()


def test_all_cards_of_a_kind_are_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_hl_smi(tmp_path / "tools", [3, 1])
    write_tool(tmp_path / "tools" / "nvidia-smi", _NVIDIA)
    assert sorted(all_devices(["hpu:all"])) == ["hpu:1", "hpu:3"]
    assert all_devices(["cuda:all", "cpu"]) == ("cuda:0", "cuda:1", "cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert all_devices(["cuda:all"]) == ("cuda:0",)
    monkeypatch.setenv("HABANA_VISIBLE_MODULES", "3")
    assert all_devices(["hpu:all"]) == ("hpu:3",)


def test_all_of_no_cards_are_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_hl_smi(tmp_path / "tools", [3, 1])
    write_tool(tmp_path / "tools" / "nvidia-smi", _NVIDIA)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("HABANA_VISIBLE_MODULES", "7")
    for name, variable in (
        ("cuda:all", "CUDA_VISIBLE_DEVICES"),
        ("hpu:all", "HABANA_VISIBLE_MODULES"),
    ):
        with pytest.raises(DeviceUnavailable, match=name) as caught:
            all_devices([name, "cpu"])
        assert variable in caught.value.cure


@pytest.mark.parametrize("name", ["cuda:0", "cuda", "hpu", "hpu:3"])
def test_one_card_is_not_given_to_two_processes(name: str) -> None:
    with pytest.raises(DeviceUnavailable, match="named twice"):
        all_devices([name, "cpu", name])
    assert all_devices(["cpu", "cpu"]) == ("cpu", "cpu")
