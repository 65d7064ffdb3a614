"""A card's status codes in words, each with what to do."""

from __future__ import annotations

import pytest

from worker.cards.synapse import explain_status


@pytest.mark.parametrize(
    ("message", "words", "cure"),
    [
        ("synStatus=8 [Device not found] Device acquire failed.", "another process", "hl-smi"),
        ("synStatus=20 [Device already acquired] Device acquire failed.", "already", "hpu:N"),
        ("synStatus=22 [Device is busy] Device acquire failed.", "busy", "reset"),
        ("synStatus=26 [Generic failure] Device acquire failed.", "runtime", "driver's version"),
        ("Graph compile failed. synStatus=synStatus 26 [Generic failure].", "runtime", "match"),
    ],
)
def test_known_codes_are_put_into_words_that_keep_the_original(
    message: str, words: str, cure: str
) -> None:
    told, advice = explain_status(message)
    assert words in told
    assert message.rstrip(".") in told
    assert cure in advice


@pytest.mark.parametrize("message", ["synStatus=7 [odd] It broke.\nmore", "It broke."])
def test_other_messages_keep_their_first_line(message: str) -> None:
    told, advice = explain_status(message)
    assert told == message.splitlines()[0].rstrip(".")
    assert "dmesg" in advice


def test_even_silence_is_told() -> None:
    assert explain_status("")[0] == "it gave no reason"
