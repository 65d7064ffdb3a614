"""A trained head on a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clipwarden.heads.measuring import Measured, Rate
from clipwarden.heads.training import Examples
from clipwarden.report.wording import count
from ingest.media.check import displayed_name
from prompts.heads import Head


def print_head(
    console: Console, head: Head, found: Examples, measured: Measured, by_prompts: Measured | None
) -> None:
    """Print what a head was trained on, and what it is worth beside the label's prompts."""
    trained_on = head.trained_on
    different = len(np.unique(found.groups))
    typer.echo(
        f"{head.label} on {head.model_id}: {trained_on.positives} examples show it, "
        f"{trained_on.negatives} don't; {different} are different."
    )
    if contradictions := found.contradictions():
        typer.echo(f"{count(contradictions, 'scene')} of them both show it and don't: look again.")
    rows = [("head, held out", measured)]
    if by_prompts is not None:
        rows.append(("prompts", by_prompts))
    else:
        typer.echo("The prompt set has no prompts for it to compare with.")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("", "AUC", "AP", "precision", "recall"):
        table.add_column(name)
    for name, one in rows:
        figures = (one.auc, one.average_precision, one.precision, one.recall)
        table.add_row(Text(name), *(Text(_words(figure)) for figure in figures))
    console.print(table)
    typer.echo("In brackets 95% intervals, over examples that are different.")


def _words(rate: Rate) -> str:
    return "–" if rate.value is None else f"{rate.value:.2f} [{rate.low:.2f}–{rate.high:.2f}]"


def print_use(target: Path, head: Head) -> None:
    """Print where the head lies, and the lines of a prompt set that use it."""
    typer.echo(f"{displayed_name(str(target))}: written. In a prompt set beside it:")
    typer.echo(f"  - id: {head.label}\n    heads: [{json.dumps(target.name)}]")
