"""`clipwarden bench embed`: images per second, from the article's loop to the last bit of int8."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from clipwarden.cli.bench_options import (
    BenchModelOption,
    Json,
    figure,
    table_console,
    wanted_format,
)
from clipwarden.cli.options import Format, FormatOption
from clipwarden.roles import usable_cores
from ingest.chunks import CHUNK_PICTURES
from ingest.media.check import check_input

if TYPE_CHECKING:
    from clipwarden.bench.embed_report import EmbedReport

Devices = Annotated[
    list[str],
    typer.Option("--device", help="cpu, openvino, cuda, cuda:1, hpu; give it again for more."),
]
BatchSizes = Annotated[
    list[int],
    typer.Option(
        "--batch-size",
        min=1,
        max=CHUNK_PICTURES,
        help="Images per run of the model; give it again for more.",
    ),
]
Pictures = Annotated[
    int, typer.Option(min=8, max=4096, help="How many images; cosines are over all of them.")
]
Clip = Annotated[
    Path | None,
    typer.Option(help="Take the images out of this video; by default they are drawn."),
]
Repeats = Annotated[int, typer.Option(min=1, help="Turns of each, whose median counts.")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads of each; one per core.", show_default=False)
]


def embed(
    model: BenchModelOption = None,
    device: Devices = ["cpu", "openvino"],  # noqa: B006 - read only, and Typer shows it
    batch_size: BatchSizes = [16],  # noqa: B006 - read only, and Typer shows it
    pictures: Pictures = 64,
    clip: Clip = None,
    repeats: Repeats = 3,
    threads: Threads = None,
    output_format: FormatOption = Format.TABLE,
    as_json: Json = False,
) -> None:
    """Compare the article's loop with our runtimes, on the same images in one run.

    The loop takes one PIL image after the other through processor and model of transformers, in
    float32. `of peak` is the share of the fastest matrix product that this machine reached in the
    same precision, in the same run; `cosine` is to the loop's vectors on average, `centred` of the
    worst image with the mean vector subtracted from both, for all vectors of a model point nearly
    the same way. The CPU columns are per CPU second, which a busy machine disturbs less. `first`
    is what the first batch took, compiling included. What can't run is left out, and said.

    Random weights are as fast as others, but lose less or more in int8 than trained ones: judge
    its cosines by a model of yours.

    Examples:

      clipwarden bench embed --json

      clipwarden bench embed --device cuda --batch-size 64 --pictures 512

      clipwarden bench embed --model openai/clip-vit-base-patch32 --clip holiday.mp4
    """
    # Here: what draws pictures takes long to import, which every other command would wait for.
    from clipwarden.bench.embed import EmbedPlan, measure
    from clipwarden.bench.models import bench_model
    from clipwarden.bench.pictures import drawn_pictures, sampled_pictures

    if clip is not None:
        check_input(clip)
    console = Console(stderr=True)
    with (
        tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as name,
        console.status("") as status,
    ):
        card = bench_model(model, Path(name), status.update).card
        plan = EmbedPlan(
            card=card,
            pictures=drawn_pictures(pictures, card.geometry.size_px)
            if clip is None
            else sampled_pictures(clip, pictures, card.geometry),
            devices=tuple(dict.fromkeys(device)),
            batch_sizes=tuple(dict.fromkeys(batch_size)),
            repeats=repeats,
            threads=threads or usable_cores(),
        )
        report = measure(plan, Path(name), status.update)
    if wanted_format(output_format, json=as_json) is Format.JSON:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        _print(report)


def _print(report: EmbedReport) -> None:
    for name, fact in report.facts.items():
        typer.echo(f"{name}: {fact}")
    if report.flop_per_image:
        typer.echo(f"work: {report.flop_per_image / 1e9:.2f} GFLOP an image")
    for peak in report.peaks:
        rate = f"{peak.flop_per_s / 1e9:,.0f} G(FL)OP/s by {peak.library}"
        typer.echo(f"matrix products in {peak.precision} on {peak.device}: {rate}")
    table_console().print(_table(report))
    for one in report.missing:
        typer.echo(f"{one.runtime} {one.precision}: {one.reason}")


def _table(report: EmbedReport) -> Table:
    table = Table(box=None, header_style="bold")
    for heading in ("runtime", "precision"):
        table.add_column(heading, no_wrap=True)
    headings = ("batch", "images/s", "ratio", "of peak", "cosine", "centred")
    for heading in (*headings, "CPU ratio", "CPU of peak", "first"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(
            row.runtime,
            row.precision,
            str(row.batch),
            figure(row.images_per_s, ".1f"),
            figure(row.ratio_to_loop, ".2f"),
            figure(row.peak_share, ".0%"),
            figure(row.cosine_mean, ".5f"),
            figure(row.cosine_centred_worst, ".4f"),
            figure(row.cpu_ratio_to_loop, ".2f"),
            figure(row.cpu_peak_share, ".0%"),
            f"{row.first_batch_s:.1f} s",
        )
    return table
