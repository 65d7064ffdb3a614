"""`clipwarden bench score`: frames against prompts, beside the matrix product they can't avoid."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from clipwarden.cli.bench_options import Json, table_console, wanted_format
from clipwarden.cli.options import Format, FormatOption

if TYPE_CHECKING:
    from clipwarden.bench.score import ScoreReport

Frames = Annotated[int, typer.Option(min=1, help="How many frames are scored.")]
PromptCount = Annotated[
    int, typer.Option("--prompts", min=10, max=5000, help="Labels' and contrast prompts together.")
]
Dimension = Annotated[int, typer.Option(min=2, max=4096, help="Length of a vector.")]
Repeats = Annotated[int, typer.Option(min=1, help="Turns of each, whose median counts.")]


def score(
    frames: Frames = 1_000_000,
    prompts: PromptCount = 200,
    dimension: Dimension = 512,
    repeats: Repeats = 3,
    output_format: FormatOption = Format.TABLE,
    as_json: Json = False,
) -> None:
    """Score many frames against a prompt set, from stored vectors to segments.

    Vectors are drawn: how fast they are scored does not depend on what they show. `ratio` is to
    the matrix product alone, in the same run; `label by label` is the plain way, which compares
    every label with the shared contrast prompts anew.

    Examples:

      clipwarden bench score

      clipwarden bench score --frames 100000 --prompts 400 --json
    """
    from clipwarden.bench.score import ScorePlan, measure

    with Console(stderr=True).status("") as status:
        plan = ScorePlan(frames=frames, prompts=prompts, dimension=dimension, repeats=repeats)
        report = measure(plan, status.update)
    if wanted_format(output_format, json=as_json) is Format.JSON:
        typer.echo(json.dumps(report.as_json(), indent=2))
        return
    console = table_console()
    console.print(_table(report))
    facts = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    console.print(f"{plan.prompts} prompts, {report.labels} labels; {facts}", style="dim")


def _table(report: ScoreReport) -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column(f"{report.plan.frames:,} frames", overflow="fold")
    for heading in ("seconds", "frames/s", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    for step in report.steps:
        table.add_row(
            step.name, f"{step.seconds:.2f}", f"{step.frames_per_s:,.0f}", f"{step.ratio:.2f}"
        )
    return table
