"""The colours can be read, by day and by night."""

from __future__ import annotations

import re
from itertools import product

import pytest

from tests.report.samples import render_page

WORDS = ("text", "quiet", "link", "block", "review", "note", "allow")
LINES = tuple(f"line-{number}" for number in range(8))


def schemes() -> dict[str, dict[str, str]]:
    """Return the variables of the two schemes as the page has them."""
    (style,) = render_page().every("style")
    light, dark = re.findall(r":root \{(.*?)\}", style.text, re.DOTALL)
    return {
        name: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for name, block in (("light", light), ("dark", dark))
    }


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio, WCAG 2.2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("scheme", "word", "ground"), list(product(("light", "dark"), WORDS, ("page", "panel")))
)
def test_words_stand_out_from_their_ground(scheme: str, word: str, ground: str) -> None:
    colours = schemes()[scheme]
    assert contrast(colours[word], colours[ground]) >= 4.5


@pytest.mark.parametrize(("scheme", "line"), list(product(("light", "dark"), LINES)))
def test_lines_stand_out_from_the_page(scheme: str, line: str) -> None:
    colours = schemes()[scheme]
    assert contrast(colours[line], colours["page"]) >= 3
