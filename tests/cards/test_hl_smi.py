"""Gaudi cards as hl-smi lists them; what is hostile or broken is told in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.gaudi import HEADER, hl_smi_line, write_hl_smi, write_tool
from worker.cards.hl_smi import GaudiCard, list_gaudi_cards, parse_gaudi_cards
from worker.errors import DeviceUnavailable


def test_cards_are_listed_by_their_place_in_the_machine(tmp_path: Path) -> None:
    tool = write_hl_smi(tmp_path, modules=[2, 6, 3, 7, 0, 4, 5, 1])
    cards = list_gaudi_cards(str(tool))
    assert [card.module_id for card in cards] == list(range(8))
    assert cards[2] == GaudiCard(
        index=0,
        module_id=2,
        uuid="01P0-FAKE-02",
        address="0000:12:00.0",
        memory_used_bytes=768 << 20,
    )


def test_the_tool_is_asked_for_the_columns_that_are_read(tmp_path: Path) -> None:
    tool = write_tool(tmp_path / "hl-smi", HEADER, ending=f'echo "$@" > {tmp_path / "asked"}')
    assert list_gaudi_cards(str(tool)) == ()
    asked = (tmp_path / "asked").read_text().strip()
    assert asked == "-Q index,module_id,uuid,bus_id,memory.used -f csv"


def test_lines_before_the_header_and_empty_ones_mean_nothing() -> None:
    text = f"a notice, with commas\n{HEADER}\n{hl_smi_line(0, 5)}\n\n"
    assert [card.module_id for card in parse_gaudi_cards(text)] == [5]


def test_units_may_be_missing_and_amounts_unknown() -> None:
    header = "index,module_id,uuid,bus_id,memory.used"
    first, second = "0,1,A-1,0000:19:00.0,512", "1,2,A-2,0000:1A:00.0,N/A"
    cards = parse_gaudi_cards(f"{header}\n{first}\n{second}")
    assert [card.memory_used_bytes for card in cards] == [512 << 20, None]
    assert cards[1].address == "0000:1a:00.0"


def test_a_card_without_a_module_id_cannot_be_asked_for_and_is_left_out() -> None:
    text = f"{HEADER}\n0, N/A, A-1, 0000:19:00.0, N/A\n{hl_smi_line(1, 4)}"
    assert [card.module_id for card in parse_gaudi_cards(text)] == [4]


@pytest.mark.parametrize(
    "line",
    [
        "0, 1, A-1, ../../../etc/passwd, 1 MiB",
        "0, 1, A-1, 0000:19:00.0/.., 1 MiB",
        "0, 1, A-1, 0000:19:00.0",
        "0, 1, A-1, 0000:19:00.0, 1 MiB, more",
        "0, -1, A-1, 0000:19:00.0, 1 MiB",
        "0, ١, A-1, 0000:19:00.0, 1 MiB",
        f"0, {'9' * 5000}, A-1, 0000:19:00.0, 1 MiB",
        "0, 1, \x1b[31mred, 0000:19:00.0, 1 MiB",
        "0, 1, A-1, 0000:19:00.0, much",
        "Segmentation fault",
    ],
)
def test_a_line_that_describes_no_card_is_refused_and_shown_harmlessly(line: str) -> None:
    with pytest.raises(DeviceUnavailable, match="describes a card as") as caught:
        parse_gaudi_cards(f"{HEADER}\n{line}")
    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 1000


def test_two_cards_in_one_place_are_refused() -> None:
    with pytest.raises(DeviceUnavailable, match="same module id"):
        parse_gaudi_cards(f"{HEADER}\n{hl_smi_line(0, 3)}\n{hl_smi_line(1, 3)}")


@pytest.mark.parametrize("text", ["", "driver is not loaded", "index, name\n0, card"])
def test_other_output_is_told_in_words_with_the_cure(text: str) -> None:
    with pytest.raises(DeviceUnavailable, match="listed no cards") as caught:
        parse_gaudi_cards(text)
    assert "driver" in caught.value.cure


def test_a_missing_tool_is_an_error_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(DeviceUnavailable, match="is not on this machine") as caught:
        list_gaudi_cards(str(tmp_path / "hl-smi"))
    assert "--runtime=habana" in caught.value.cure


def test_a_failing_tool_is_quoted(tmp_path: Path) -> None:
    tool = write_hl_smi(tmp_path, modules=[0], ending="echo 'no \033 driver' >&2; exit 9")
    with pytest.raises(DeviceUnavailable, match="status 9") as caught:
        list_gaudi_cards(str(tool))
    assert r"'no \x1b driver'" in caught.value.message


def test_a_tool_that_hangs_with_its_driver_is_given_up(tmp_path: Path) -> None:
    started = tmp_path / "started"
    tool = write_hl_smi(tmp_path, modules=[0], ending=f"sleep 600 & echo $! > {started}; wait")
    with pytest.raises(DeviceUnavailable, match="no answer within 1 s"):
        list_gaudi_cards(str(tool), timeout_s=1.0)
    # What it had started holds its pipes, and is ended with it.
    state = Path(f"/proc/{int(started.read_text())}/stat")
    assert not state.exists() or " Z " in state.read_text()


def test_a_tool_that_is_no_program_is_told_in_words(tmp_path: Path) -> None:
    tool = tmp_path / "hl-smi"
    tool.write_text("not executable")
    with pytest.raises(DeviceUnavailable, match="can't be run"):
        list_gaudi_cards(str(tool))
