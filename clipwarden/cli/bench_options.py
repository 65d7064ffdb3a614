"""What the benchmarks of models share: options, and how figures are written."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from clipwarden.cli.options import Format

BenchModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="A hub id or a local folder; by default a ViT-B/32 of random weights, which is as "
        "fast as one that was trained.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="The same as --format json.")]

_TABLE_WIDTH = 160


def wanted_format(output_format: Format, *, json: bool) -> Format:
    """The format that either option asks for."""
    return Format.JSON if json else output_format


def table_console() -> Console:
    """Standard output; where that is no terminal, wide enough for a benchmark's table."""
    console = Console()
    return console if console.is_terminal else Console(width=_TABLE_WIDTH)


def figure(value: float | None, form: str) -> str:
    """A number in a table, a dash where there is none."""
    return "-" if value is None else format(value, form)
