"""A calibration on a terminal: a table where it fits, lines where it doesn't."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clipwarden.calibration.calibrate import Calibrated, LabelReport
from clipwarden.calibration.wording import (
    NOTHING,
    CalibrationFacts,
    alternative_words,
    cautions,
    error_words,
    headline,
    label_cells,
)

_PADDING = 2
_WIDEST = 1000


def print_calibration(console: Console, facts: CalibrationFacts, calibrated: Calibrated) -> None:
    """Print what was fitted, what it is worth on held-out scenes, and what to mind."""
    _line(console, Text(headline(facts, calibrated), style="bold"))
    before, after = calibrated.before, calibrated.after
    _line(console, Text(f"Calibration error of all labels: {error_words(before, after)}"))
    console.print()
    table = _table(calibrated.labels)
    needed = table.__rich_measure__(console, console.options.update(width=_WIDEST)).maximum
    if not console.is_terminal:
        # What is piped is not cut to a terminal's width.
        console.width = max(console.width, needed)
    if needed <= console.width:
        console.print(table)
    else:
        _print_lines(console, calibrated.labels)
    if facts.settings.wish is not None:
        _print_alternatives(console, calibrated.labels)
    for words in cautions(facts, calibrated):
        _line(console, Text(words, style="yellow"))
    words = "Errors and rates are of scenes that were held out; in brackets 95% intervals."
    _line(console, Text(words, style="dim"))


def _table(labels: tuple[LabelReport, ...]) -> Table:
    table = Table(box=None, padding=(0, _PADDING, 0, 0))
    rows = [(one.label.id, label_cells(one)) for one in labels]
    table.add_column("label", no_wrap=True)
    for name, _ in rows[0][1] if rows else []:
        table.add_column(name, no_wrap=True)
    for label, cells in rows:
        table.add_row(Text(label), *(Text(words) for _, words in cells))
    return table


def _print_lines(console: Console, labels: tuple[LabelReport, ...]) -> None:
    for one in labels:
        _line(console, Text(one.label.id))
        for name, words in label_cells(one):
            if words != NOTHING:
                _line(console, Text(f"  {name}: {words}"))


def _print_alternatives(console: Console, labels: tuple[LabelReport, ...]) -> None:
    console.print()
    _line(console, Text("Other thresholds", style="bold"))
    for one in labels:
        if one.threshold is None or not one.positives:
            continue
        words = [
            alternative_words(other.point, other.alarms_per_hour) for other in one.alternatives
        ]
        _line(console, Text(f"{one.label.id}  " + "; ".join(words)))


def _line(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=not console.is_terminal)
