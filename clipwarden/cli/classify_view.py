"""Answers for people: each picture's labels with a bar, or how often the right one came first."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clipwarden.classification.accuracy import Accuracy, Share
from clipwarden.classification.answers import Answer, Choice
from clipwarden.classification.document import Classification
from ingest.media.check import displayed_name

_MAX_BAR = 30
_MIN_BAR = 8
_FIGURES = 12
"""Columns of the confidence and of what stands between the columns."""


def print_classification(console: Console, classification: Classification) -> None:
    """Print what was found: where the right answers are known, how many were given."""
    if classification.accuracy is not None:
        _print_accuracy(console, classification.accuracy)
    else:
        for answer in classification.file.answers:
            _print_answer(console, answer)
    if classification.card.id == "starter" and classification.file.answers:
        words = "The starter model is a small stand-in: it knows everyday things and reads no text."
        _print_line(console, Text(words, style="dim"))


def _print_answer(console: Console, answer: Answer) -> None:
    _print_line(console, Text(displayed_name(answer.row.source or ""), style="bold"))
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    width = max(_MIN_BAR, min(_MAX_BAR, console.width // 2 - _FIGURES))
    for choice in answer.choices:
        table.add_row(
            Text(displayed_name(choice.label), style="green" if choice.found else ""),
            f"{choice.confidence:.1%}",
            Text(_bar(console, choice, width), style="green" if choice.found else "cyan"),
        )
    console.print(table)
    console.print()


def _bar(console: Console, choice: Choice, width: int) -> str:
    mark = "#" if console.options.ascii_only else "█"
    return mark * round(width * choice.confidence)


def _print_accuracy(console: Console, accuracy: Accuracy) -> None:
    _print_line(console, Text(f"{accuracy.top1.pictures} pictures", style="bold"))
    for name, share in (("top-1", accuracy.top1), ("top-5", accuracy.top5)):
        _print_line(console, Text(f"  {name} {_share_words(share)}"))
    if not accuracy.confusions:
        return
    table = Table(box=None, padding=(0, 1))
    table.add_column("it is", overflow="fold")
    table.add_column("taken for", overflow="fold")
    table.add_column("times", justify="right", no_wrap=True)
    table.add_column("surest", justify="right", no_wrap=True)
    for one in accuracy.confusions:
        names = (Text(displayed_name(one.truth)), Text(displayed_name(one.given)))
        table.add_row(*names, str(one.count), f"{one.confidence:.1%}")
    console.print(table)


def _share_words(share: Share) -> str:
    return f"{share.value:.1%} (95% interval {share.low:.1%} to {share.high:.1%})"


def _print_line(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=not console.is_terminal)
