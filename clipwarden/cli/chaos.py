"""`clipwarden chaos`: disturb an installation of its own on purpose, and see what is lost."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from clipwarden.cli.errors import EXIT_FAILED
from clipwarden.cli.options import Format, FormatOption

if TYPE_CHECKING:
    from clipwarden.chaos.run import Outcome

Videos = Annotated[int, typer.Option(min=1, max=65535, help="How many short videos to analyse.")]
ClipSeconds = Annotated[float, typer.Option(min=0.25, help="How long each of them is.")]
Embedders = Annotated[int, typer.Option(min=1, help="Embedding processes, on the CPU.")]
Model = Annotated[str, typer.Option("--model", "-m", help="A small model: it is loaded often.")]
KillEvery = Annotated[
    int, typer.Option(min=1, help="A random process is killed after so many committed chunks.")
]
QueueRestarts = Annotated[int, typer.Option(min=0, help="How often the queue server is killed.")]
FreezeSeconds = Annotated[
    float, typer.Option(min=0, help="How long one embedding process is stopped in the middle.")
]
Seed = Annotated[int, typer.Option(help="Who is killed depends on it.")]
TimeoutMinutes = Annotated[float, typer.Option(min=0.1, help="Give up after this long.")]
Keep = Annotated[
    Path | None,
    typer.Option(help="Work in this new folder and leave it for a look.", show_default=False),
]


def chaos(
    videos: Videos = 200,
    clip_s: ClipSeconds = 1.0,
    embedders: Embedders = 2,
    model: Model = "starter",
    kill_every: KillEvery = 10,
    queue_restarts: QueueRestarts = 2,
    freeze_s: FreezeSeconds = 30.0,
    seed: Seed = 0,
    timeout_min: TimeoutMinutes = 90.0,
    keep: Keep = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Kill, freeze and restart the parts of an installation while it works; nothing may be lost.

    Starts `clipwarden serve` on a folder of its own, submits videos made for the purpose, and
    disturbs it. Afterwards every video must have one result, no segment may be there twice, and
    no job, no pixels and no trace on the queue server may be left. Exit status 1 where that fails.

    Examples:

      clipwarden chaos

      clipwarden chaos --videos 2000 --keep trial/
    """
    # Here: what draws videos takes long to import, which every other command would wait for.
    from clipwarden.chaos.disturbance import Plan
    from clipwarden.chaos.run import ChaosSettings, run_chaos

    settings = ChaosSettings(
        videos=videos,
        clip_s=clip_s,
        embedders=embedders,
        model=model,
        plan=Plan(kill_every, queue_restarts, freeze_s),
        seed=seed,
        timeout_s=timeout_min * 60,
    )
    console = Console(stderr=True)
    with _folder(keep) as folder, _bar(console) as bar:
        task = bar.add_task("videos", total=videos)
        outcome = run_chaos(folder, settings, lambda done: bar.update(task, completed=done))
    _show(outcome, output_format)
    if outcome.verdict.faults:
        raise typer.Exit(EXIT_FAILED)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="clipwarden-chaos-") as name:
        yield Path(name)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def _show(outcome: Outcome, output_format: Format) -> None:
    verdict = outcome.verdict
    if output_format is Format.JSON:
        typer.echo(json.dumps(asdict(outcome), indent=2))
        return
    per_minute = 60 * verdict.done / max(outcome.elapsed_s, 0.1)
    typer.echo(
        f"{verdict.done} of {verdict.submissions} videos done in {outcome.elapsed_s:.0f} s "
        f"({per_minute:.0f} a minute), {verdict.segments} segments"
    )
    for what, count in sorted(outcome.disturbances.items()):
        typer.echo(f"  {count:4d} x {what}")
    typer.echo(f"  {outcome.processes_started:4d} processes started")
    if verdict.faults:
        for fault in verdict.faults:
            typer.echo(f"FAULT: {fault}")
    else:
        typer.echo("Nothing was lost, nothing is there twice, nothing is left behind.")
