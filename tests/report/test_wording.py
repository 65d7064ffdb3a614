"""How times and foreign text are written."""

from __future__ import annotations

import pytest

from clipwarden.report.wording import clock, count, visible


@pytest.mark.parametrize(
    ("position_ms", "text"),
    [
        (0, "00:00.000"),
        (5960, "00:05.960"),
        (59_999, "00:59.999"),
        (3_599_999, "59:59.999"),
        (3_600_000, "1:00:00.000"),
        (90_061_001, "25:01:01.001"),
    ],
)
def test_positions_are_written_to_the_millisecond(position_ms: int, text: str) -> None:
    assert clock(position_ms) == text


def test_counts_agree_with_their_noun() -> None:
    assert [count(n, "frame") for n in (0, 1, 2000)] == ["0 frames", "1 frame", "2,000 frames"]


@pytest.mark.parametrize(
    "text",
    ["plain name.mp4", "Ünïcode 日本語 \u05d0\u05d1", "no\u00a0break", "🎬 film", "é e\u0301"],
)
def test_text_that_can_be_seen_is_left_alone(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    "character",
    ["\n", "\t", "\x7f", "\x9b", "\u200f", "\u202e", "\u2069", "\ufeff", "\ud800", "\U000e0041"],
)
def test_text_that_can_t_be_seen_is_shown_by_its_code(character: str) -> None:
    assert visible(f"a{character}b") == f"a⟨U+{ord(character):04X}⟩b"
