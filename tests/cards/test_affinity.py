"""Which CPUs are next to a card."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.cards.affinity import near_cpus, parse_cpus, pci_address

ADDRESS = "0000:19:00.0"


def sysfs(folder: Path, cpus: str) -> Path:
    device = folder / "bus" / "pci" / "devices" / ADDRESS
    device.mkdir(parents=True)
    (device / "local_cpulist").write_text(cpus)
    return folder


def test_a_process_gets_those_of_its_cpus_that_are_next_to_the_card(tmp_path: Path) -> None:
    root = sysfs(tmp_path, "0-3,8-9,12\n")
    assert near_cpus(ADDRESS, {2, 3, 4, 9, 10}, root) == {2, 3, 9}


def test_nvidia_smi_writes_the_same_address_otherwise(tmp_path: Path) -> None:
    assert near_cpus("00000000:19:00.0", {0, 1}, sysfs(tmp_path, "1")) == {1}


@pytest.mark.parametrize("cpus", ["", "\n", "4-7", "nonsense", "3-1", "0-99999999"])
def test_where_none_is_near_or_nothing_is_told_it_keeps_all_of_them(
    tmp_path: Path, cpus: str
) -> None:
    assert near_cpus(ADDRESS, {0, 1}, sysfs(tmp_path, cpus)) == {0, 1}


def test_so_it_does_where_the_kernel_knows_no_such_card(tmp_path: Path) -> None:
    assert near_cpus(ADDRESS, {0, 1}, tmp_path) == {0, 1}


def test_an_address_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    for address in ("../../../..", "0000:19:00.0/..", "", "0000:19:00.8", "0000:1g:00.0"):
        with pytest.raises(ValueError, match="no PCI address"):
            near_cpus(address, {0}, tmp_path)


def test_addresses_are_written_as_sysfs_does() -> None:
    assert pci_address("00000000:5D:00.0") == "0000:5d:00.0"
    with pytest.raises(ValueError, match="no PCI address"):
        pci_address("00010000:5D:00.0")


def test_the_kernels_lists_are_read() -> None:
    assert parse_cpus("0-2,7,10-10\n") == {0, 1, 2, 7, 10}
    assert parse_cpus("") == frozenset()
