"""`clipwarden bench decode`: our sampling strategies beside what people use instead."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clipwarden.cli.bench_options import figure
from clipwarden.cli.options import Format, FormatOption
from ingest.media.check import check_input, displayed_name

if TYPE_CHECKING:
    from clipwarden.bench.decode import Clip, Row

Heights = Annotated[
    list[int],
    typer.Option("--height", min=64, max=2160, help="Size of a clip that is made for it."),
]
ClipSeconds = Annotated[float, typer.Option("--seconds", min=1, help="Length of these clips.")]
ClipPath = Annotated[
    Path | None,
    typer.Option(
        "--clip",
        help="Measure with this video instead. The others decode it without our sandbox: "
        "name one you trust.",
        show_default=False,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Threads of our decoder; one per core.", show_default=False),
]
Repeats = Annotated[int, typer.Option(min=1, help="Runs of each, whose median counts.")]


def decode(
    height: Heights = [360, 720, 1080],  # noqa: B006 - read only, and Typer shows it
    seconds: ClipSeconds = 60.0,
    clip: ClipPath = None,
    threads: Threads = None,
    repeats: Repeats = 3,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Compare our sampling strategies with OpenCV, PyAV and ffmpeg, on clips made here.

    Ours run end to end, the start of the decoding process, scaling and transport included.
    `x real time` is seconds of video per second, `ratio` that over OpenCV's loop that reads every
    frame, `CPU ratio` the same of CPU seconds, which a busy machine disturbs less, `MB` the most
    memory of the decoding process. What is not installed is left out, and said.

    Examples:

      clipwarden bench decode

      clipwarden bench decode --height 720 --seconds 120 --repeats 5

      clipwarden bench decode --clip holiday.mp4 --format json
    """
    # Here: what draws videos takes long to import, which every other command would wait for.
    from clipwarden.bench.decode import as_json, machine, measure

    cores = len(os.sched_getaffinity(0))
    facts = machine(threads or cores)
    rows: list[Row] = []
    console = Console(stderr=True)
    with console.status("") as status:
        for each in _clips(height, seconds, clip, status.update):
            rows += measure(each, threads or cores, repeats, status.update)
    if output_format is Format.JSON:
        typer.echo(json.dumps(as_json(facts, rows), indent=2))
        return
    for name, fact in facts.items():
        typer.echo(f"{name}: {fact}")
    for name in dict.fromkeys(row.clip for row in rows):
        Console().print(_table(name, [row for row in rows if row.clip == name]))
    for note in dict.fromkeys(f"{row.contender}: {row.note}" for row in rows if row.note):
        typer.echo(note)


def _clips(
    heights: list[int], seconds: float, path: Path | None, tell: Callable[[str], None]
) -> Iterator[Clip]:
    from clipwarden.bench.clips import ClipSpec, write_clip
    from clipwarden.bench.decode import Clip

    if path is not None:
        check_input(path)
        yield Clip(displayed_name(path.name), path)
        return
    with tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as folder:
        for height in heights:
            spec = ClipSpec(2 * round(height * 8 / 9), height - height % 2, seconds)
            tell(f"{spec.name}: making {seconds:g} s of video")
            path = write_clip(Path(folder) / f"{spec.name}.mp4", spec)
            megabits = 8 * path.stat().st_size / seconds / 1e6
            yield Clip(f"{spec.name} {megabits:.1f} Mbit/s", path)


def _table(clip: str, rows: list[Row]) -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column(escape(clip), no_wrap=True)
    for heading in ("x real time", "ratio", "CPU ratio", "frames", "CPU s/min", "MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.contender,
            figure(row.x_real_time, ".1f"),
            figure(row.ratio, ".2f"),
            figure(row.cpu_ratio, ".2f"),
            figure(row.frames, ","),
            figure(row.cpu_s_per_minute, ".2f"),
            figure(row.peak_rss_mb, ".0f"),
        )
    return table
