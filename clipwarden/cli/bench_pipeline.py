"""`clipwarden bench pipeline`: from the file to stored vectors, ours and the article's way."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from clipwarden.bench.threads import DECODE_THREADS
from clipwarden.bench.threads import encoder_threads as default_encoder_threads
from clipwarden.cli.bench_options import (
    BenchModelOption,
    Json,
    figure,
    table_console,
    wanted_format,
)
from clipwarden.cli.options import Format, FormatOption
from ingest.chunks import CHUNK_PICTURES
from ingest.media.check import check_input

if TYPE_CHECKING:
    from clipwarden.bench.pipeline_report import PipelineReport

_DRAWN_S = 120.0
"""Longer clips repeat so much: drawing takes as long as it lasts."""

Minutes = Annotated[
    float,
    typer.Option(min=0.02, max=600, help="Length of the video; shorter ones are repeated."),
]
Height = Annotated[int, typer.Option(min=64, max=2160, help="Size of a clip that is made for it.")]
Clip = Annotated[
    Path | None,
    typer.Option(
        help="Repeat this video instead. Others decode it without our sandbox: name one you trust.",
        show_default=False,
    ),
]
Peers = Annotated[
    str | None,
    typer.Option(
        metavar="PYTHON",
        help="The interpreter of an environment that holds open_clip_torch, openmoderate and "
        "OpenCV, to measure them, too.",
        show_default=False,
    ),
]
BatchSize = Annotated[
    int, typer.Option(min=1, max=CHUNK_PICTURES, help="Images per run of the model.")
]
DecodeThreads = Annotated[int, typer.Option(min=1, help="Threads of the decoding process.")]
EncoderThreads = Annotated[
    int | None,
    typer.Option(min=1, help="Threads of the encoder; one per core.", show_default=False),
]
Repeats = Annotated[int, typer.Option(min=1, help="Runs of each, whose median counts.")]


def pipeline(
    model: BenchModelOption = None,
    minutes: Minutes = 30.0,
    height: Height = 720,
    clip: Clip = None,
    peers: Peers = None,
    batch_size: BatchSize = 16,
    decode_threads: DecodeThreads = DECODE_THREADS,
    encoder_threads: EncoderThreads = None,
    repeats: Repeats = 1,
    output_format: FormatOption = Format.TABLE,
    as_json: Json = False,
) -> None:
    """Compare our pipeline with the article's way, from opening a video to stored vectors.

    The article's way decodes every frame, keeps one a second and puts it through PIL, processor
    and model in float32, one thing after the other. The bare pipeline is our decoding process and
    our encoder with a queue between them; the whole product is `analyze` with its queue server,
    stores and result, once its processes run. `x real time` is seconds of video per second; the
    stages are busy seconds. `encoder` is the encoder's rate over what it reaches with nothing
    beside it, `to bare` the whole product over the bare pipeline of the same sampling.

    Examples:

      clipwarden bench pipeline

      clipwarden bench pipeline --minutes 5 --json

      clipwarden bench pipeline --clip holiday.mp4 --peers other/bin/python
    """
    # Here: what draws videos takes long to import, which every other command would wait for.
    from clipwarden.bench.models import bench_model
    from clipwarden.bench.pipeline import PipelinePlan, measure

    console = Console(stderr=True)
    with (
        tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as name,
        console.status("") as status,
    ):
        folder = Path(name)
        path, seconds = _video(clip, height, 60 * minutes, folder, status.update)
        plan = PipelinePlan(
            clip=path,
            seconds=seconds,
            model=bench_model(model, folder, status.update),
            batch_size=batch_size,
            decode_threads=decode_threads,
            encoder_threads=encoder_threads or default_encoder_threads(),
            repeats=repeats,
            peers=peers,
        )
        report = measure(plan, folder, status.update)
    if wanted_format(output_format, json=as_json) is Format.JSON:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        _print(report)


def _video(
    clip: Path | None, height: int, seconds: float, folder: Path, tell: Callable[[str], None]
) -> tuple[Path, float]:
    """A video of at least that length, and its length in seconds."""
    from clipwarden.bench.clips import ClipSpec, write_clip
    from clipwarden.bench.repeating import repeat_clip

    if clip is None:
        spec = ClipSpec(2 * round(height * 8 / 9), height - height % 2, min(_DRAWN_S, seconds))
        tell(f"{spec.name}: making {spec.seconds:g} s of video")
        clip = write_clip(folder / "drawn.mp4", spec)
    else:
        check_input(clip)
    long = folder / f"long{clip.suffix}"
    return long, repeat_clip(clip, long, seconds)


def _print(report: PipelineReport) -> None:
    for name, fact in report.facts.items():
        typer.echo(f"{name}: {fact}")
    table_console().print(_table(report))
    for row in report.rows:
        if row.bound:
            typer.echo(f"{row.way}, {row.sampling}, {row.device}: bound by {row.bound}")
    for one in report.missing:
        typer.echo(f"{one.way}, {one.sampling}: {one.reason}")


def _table(report: PipelineReport) -> Table:
    table = Table(box=None, header_style="bold")
    for heading in ("way", "sampling", "on"):
        table.add_column(heading, no_wrap=True)
    headings = ("samples", "x real time", "ratio", "CPU ratio", "images/s")
    stages = ("decode", "preprocess", "embed", "store")
    for heading in (*headings, *stages, "encoder", "to bare"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(
            row.way,
            row.sampling,
            f"{row.device} {row.precision}",
            f"{row.samples:,}",
            figure(row.x_real_time, ".1f"),
            figure(row.ratio, ".2f"),
            figure(row.cpu_ratio, ".2f"),
            figure(row.images_per_s, ".1f"),
            *(figure(getattr(row, f"{stage}_s"), ".1f") for stage in stages),
            figure(row.encoder_share, ".2f"),
            figure(row.to_bare, ".2f"),
        )
    return table
