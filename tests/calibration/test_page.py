"""The report of a calibration: one file that loads nothing and hides nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from xml.etree import ElementTree

import numpy as np
from rich.console import Console

from clipwarden.calibration.calibrate import Calibrated, Settings, calibrate
from clipwarden.calibration.document import own_links, to_calibration
from clipwarden.calibration.page import render_calibration
from clipwarden.calibration.thresholds import Wish
from clipwarden.calibration.wording import CalibrationFacts, cautions
from clipwarden.cli.calibrate_view import print_calibration
from prompts.loader import load_prompt_set
from tests.calibration.drawn import drawn_examples
from worker.models.resolve import resolve_model

LABELS = ("suit", "cat")
NO_PRIORS: Mapping[str, float] = {}
CREATED_AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def made(
    truth: str = "truth.json", priors: Mapping[str, float] = NO_PRIORS
) -> tuple[CalibrationFacts, Calibrated, str]:
    prompt_set, card = load_prompt_set("standin"), resolve_model("starter")
    settings = Settings(wish=Wish("precision", 0.9), priors=priors)
    examples = drawn_examples(900, LABELS)
    # Nobody saw a cat.
    examples.targets[:, 1] = np.minimum(examples.targets[:, 1], 0)
    labels = [prompt_set.label(one) for one in LABELS]
    calibrated = calibrate(examples, labels, settings)
    calibration = to_calibration(
        calibrated, settings, prompt_set, card, sampling="fps:2", created_at=CREATED_AT
    )
    facts = CalibrationFacts(truth, "0" * 64, settings, calibration, CREATED_AT, "1.0")
    return facts, calibrated, render_calibration(facts, calibrated, own_links(prompt_set, card))


def test_the_page_is_whole_loads_nothing_and_is_the_same_again() -> None:
    _, _, page = made()
    assert page == made()[2]
    body = page[page.index("<body>") : page.index("</body>") + 7]
    ElementTree.fromstring(body)
    assert not re.search(r"(src|href)=|url\(|<script|@import", page)
    assert "default-src &#39;none&#39;" in page


def test_the_page_shows_reliability_margins_and_thresholds_of_each_label() -> None:
    _, calibrated, page = made()
    assert page.count('aria-label="Reliability of') == 1 + len(LABELS)
    assert page.count('aria-label="Margins of') == len(LABELS)
    # Without a positive there is no recall to draw.
    assert page.count('aria-label="Precision and recall of') == 1
    assert "share one link" in page
    assert f"{100 * calibrated.after.ece:.2f}%" in page


def test_a_name_can_neither_break_the_page_nor_hide() -> None:
    _, _, page = made("</style><script>alert(1)</script>\u202egpj.json")
    assert "<script" not in page
    assert "\u202e" not in page
    assert "⟨U+202E⟩" in page


def test_what_a_prior_does_and_where_it_does_nothing_is_said() -> None:
    said = cautions(*made()[:2])
    assert any("was taken for how often it is" in one for one in said)
    said = cautions(*made(priors={"suit": 0.01, "fruit": 0.5})[:2])
    assert any("at the rates given with --prior" in one for one in said)
    assert "--prior changes nothing where nothing was fitted: fruit." in said


def test_a_narrow_terminal_gets_lines_and_a_wide_one_a_table() -> None:
    facts, calibrated, _ = made()
    for width in (60, 140):
        console = Console(width=width, force_terminal=True, color_system=None)
        with console.capture() as capture:
            print_calibration(console, facts, calibrated)
        lines = capture.get().splitlines()
        assert max(map(len, lines)) <= width
        assert any(line.startswith("  threshold:") for line in lines) == (width == 60)
        assert "…" not in capture.get()
