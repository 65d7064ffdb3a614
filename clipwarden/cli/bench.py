"""`clipwarden bench`: what things cost on this machine, as ratios within one run."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from clipwarden.cli.bench_decode import decode
from clipwarden.cli.bench_embed import embed
from clipwarden.cli.bench_pipeline import pipeline
from clipwarden.cli.bench_score import score
from clipwarden.cli.options import Format, FormatOption
from clipwarden.data_folder import DataFolder
from clipwarden.queue_server import running_server
from ingest.queue.connection import connect

if TYPE_CHECKING:
    from clipwarden.bench.queue import Row

app = typer.Typer(help="Measure what things cost on this machine.", no_args_is_help=True)

Depths = Annotated[
    list[int], typer.Option("--videos", min=1, help="How many videos wait; give it again for more.")
]
Jobs = Annotated[int, typer.Option(min=1, help="Jobs that are timed at each of them.")]


@app.callback()
def _bench() -> None:
    """Measure what things cost on this machine."""


@app.command()
def queue(
    videos: Depths = [10, 100, 1000, 10000],  # noqa: B006 - read only, and Typer shows it
    jobs: Jobs = 1000,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Compare our jobs with RQ's own, which do nothing either, on a queue server of its own.

    A chunk's cost is from its queueing to its end, without pixels, model and database; `ratio` is
    that over what a job of RQ's costs. `waiting` is the number of other videos on the queue,
    `bytes` what each of them takes of the queue server's memory.

    Examples:

      clipwarden bench queue

      clipwarden bench queue --videos 10 --videos 10000 --format json
    """
    # Here: RQ's workers take half a second to import, which every other command would wait for.
    from clipwarden.bench.queue import as_json, measure

    with tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as name:
        folder = DataFolder.prepare(Path(name))
        with folder.lock(), running_server(folder) as url:
            rows = list(measure(connect(url), videos, jobs))
    if output_format is Format.JSON:
        typer.echo(json.dumps(as_json(rows), indent=2))
    else:
        Console().print(_table(rows))


app.command()(decode)
app.command()(embed)
app.command()(pipeline)
app.command()(score)


def _table(rows: list[Row]) -> Table:
    table = Table(box=None, header_style="bold")
    headings = ("waiting", "submits/s", "chunks/s", "RQ's jobs/s", "ms/chunk", "ms/RQ's")
    for heading in (*headings, "ratio", "bytes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            f"{row.queued_videos:,}",
            f"{row.submits_per_s:,.0f}",
            f"{row.chunks_per_s:,.0f}",
            f"{row.bare_jobs_per_s:,.0f}",
            f"{row.chunk_ms:.2f}",
            f"{row.bare_ms:.2f}",
            f"{row.ratio:.2f}",
            f"{row.bytes_per_video:,}",
        )
    return table
