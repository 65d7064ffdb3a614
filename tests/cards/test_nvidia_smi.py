"""NVIDIA cards as nvidia-smi lists them, and which of them CUDA counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.gaudi import write_tool
from worker.cards.nvidia_smi import (
    NvidiaCard,
    list_nvidia_cards,
    parse_nvidia_cards,
    visible_cards,
)
from worker.errors import DeviceUnavailable

LINES = (
    "1, GPU-bbbb-2, NVIDIA H200, 00000000:5D:00.0, 143771, 9.0",
    "0, GPU-aaaa-1, Card, of a name with commas, 0001:19:00.0, [N/A], 12.1",
    "2, GPU-abcd-3, NVIDIA L4, 00000000:C1:00.0, 23034, 8.9",
)


def cards() -> tuple[NvidiaCard, ...]:
    return parse_nvidia_cards("\n".join(LINES))


def test_cards_are_listed_by_index(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    tool = write_tool(tmp_path / "nvidia-smi", "\n".join(LINES), f'echo "$@" > {asked}')
    found = list_nvidia_cards(str(tool))
    assert [card.index for card in found] == [0, 1, 2]
    assert found[1] == NvidiaCard(
        index=1,
        uuid="GPU-bbbb-2",
        name="NVIDIA H200",
        address="0000:5d:00.0",
        memory_bytes=143771 << 20,
        compute=(9, 0),
    )
    assert "noheader,nounits" in asked.read_text()


def test_a_name_with_commas_and_unknown_memory_are_read() -> None:
    card = cards()[0]
    assert (card.name, card.memory_bytes) == ("Card, of a name with commas", None)
    assert card.address == "0001:19:00.0"


@pytest.mark.parametrize(
    "line",
    [
        "No devices were found",
        "0, GPU-1, Card, 00000000:5D:00.0, 1",
        "0, GPU-1, Card, ../../../../etc, 1, 9.0",
        "0, GPU-1, Card, 00010000:5D:00.0, 1, 9.0",
        "0, GPU-1, C\x07d, 00000000:5D:00.0, 1, 9.0",
        "0, GPU-1, Card, 00000000:5D:00.0, 1, 9",
    ],
)
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(DeviceUnavailable, match="describes a card as"):
        parse_nvidia_cards(line)


def test_no_lines_are_no_cards() -> None:
    assert parse_nvidia_cards("\n") == ()


def test_a_missing_tool_is_an_error_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(DeviceUnavailable, match="is not on this machine") as caught:
        list_nvidia_cards(str(tmp_path / "nvidia-smi"))
    assert "--gpus" in caught.value.cure


@pytest.mark.parametrize(
    ("visible", "indices"),
    [
        (None, [0, 1, 2]),
        ("2,0", [2, 0]),
        (" 1 ", [1]),
        ("GPU-bbbb", [1]),
        ("GPU-abcd-3,1", [2, 1]),
        ("", []),
        ("1,7,0", [1]),
        ("1,1,0", [1]),
        ("GPU-a,0", []),
        ("MIG-1,0", []),
        ("-1", []),
        ("0,²", [0]),
    ],
)
def test_cuda_counts_the_cards_that_its_variable_names(
    visible: str | None, indices: list[int]
) -> None:
    assert [card.index for card in visible_cards(cards(), visible)] == indices
