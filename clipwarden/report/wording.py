"""How times, scores, counts and foreign text are written in a report."""

from __future__ import annotations

import unicodedata
from typing import Final

from worker.document import FlagReason, SegmentInfo

_UNSEEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that show nothing, reorder their neighbours, or can't be encoded."""

HASH_DIGITS: Final = 12
"""Hex digits shown of a hash: enough to tell files apart by eye, the JSON has the rest."""


def clock(position_ms: int) -> str:
    """Write a position as `mm:ss.mmm`, from one hour on as `h:mm:ss.mmm`."""
    seconds, milliseconds = divmod(position_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f"{minutes:02}:{seconds:02}.{milliseconds:03}"
    return f"{hours}:{tail}" if hours else tail


def score(confidence: float) -> str:
    """Write a confidence with two decimals."""
    return f"{confidence:.2f}"


def count(number: int, noun: str) -> str:
    """Write a number with its noun: `1 frame`, `2 frames`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def short_hash(digest: str) -> str:
    """Return the first digits of a hash."""
    return digest[:HASH_DIGITS]


def visible(text: str) -> str:
    """Replace characters that hide or reorder text by their code, such as `⟨U+202E⟩`.

    A file's name may hold line breaks, direction marks or bytes that are no text; shown as
    they are, `gpj.exe` can look like `exe.jpg`.
    """
    if text.isprintable():
        return text
    return "".join(
        f"⟨U+{ord(character):04X}⟩"
        if unicodedata.category(character) in _UNSEEN_CATEGORIES
        else character
        for character in text
    )


def why(segment: SegmentInfo) -> str:
    """What decided at a segment's peak; empty where its result tells nothing of it."""
    return "" if segment.explanation is None else segment.explanation.because


def rule_words(reason: FlagReason) -> str:
    """What a rule that fired asked for, and what it found."""
    nsfw = ", NSFW" if reason.nsfw else ""
    found = f"{count(len(reason.segments), 'segment')}, {reason.total_ms / 1000:.1f} s"
    return f"{reason.wording} ({found}): {reason.action}{nsfw}"
