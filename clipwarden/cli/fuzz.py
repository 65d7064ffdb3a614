"""`clipwarden fuzz`: decode files that nobody would make, and see that nothing but them fails."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from clipwarden.cli.errors import EXIT_FAILED
from clipwarden.cli.options import Format, FormatOption
from clipwarden.errors import ProductError
from ingest.media.check import check_input

if TYPE_CHECKING:
    from clipwarden.fuzz.run import FuzzReport
    from clipwarden.fuzz.trial import Case, Outcome

_DEFAULT_MINUTES = 1.0
_STUCK_AFTER_S = 300.0
"""The watch kills a decoding process long before: then it is our own process that hangs."""

Minutes = Annotated[
    float | None,
    typer.Option(min=0.01, help="How long; a minute, unless --cases is given.", show_default=False),
]
Cases = Annotated[
    int | None,
    typer.Option(min=1, help="How many files, where not the time is to end it."),
]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed makes the same files.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Files decoded at once; one per core.", show_default=False),
]
Keep = Annotated[Path, typer.Option(help="Where files are kept that something was found with.")]
Replay = Annotated[
    Path | None,
    typer.Option(help="Decode this kept file again, and nothing else.", show_default=False),
]


def fuzz(
    minutes: Minutes = None,
    cases: Cases = None,
    seed: SeedOption = 0,
    jobs: Jobs = None,
    keep: Keep = Path("fuzz-findings"),
    replay: Replay = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Mutate small videos of every format, decode them as sampling does, and look for faults.

    A file may be decoded or refused with a named error; anything else is a finding: another
    exception, frames that break their contract, a hang, too much memory, something left behind.
    A decoding process that dies by a signal is such a named error; it is counted apart, and its
    file is kept. Files with a new outcome are mutated further. Exit status 1 after a finding.

    Examples:

      clipwarden fuzz --minutes 30

      clipwarden fuzz --cases 500 --seed 7 --keep found/

      clipwarden fuzz --replay found/finding-7-0000123.bin
    """
    if replay is not None:
        _replay(replay, output_format)
        return
    # Here: what draws videos takes long to import, which every other command would wait for.
    from clipwarden.fuzz.run import FuzzSettings, run_fuzz

    if minutes is None and cases is None:
        minutes = _DEFAULT_MINUTES
    seconds = None if minutes is None else 60 * minutes
    threads = jobs or len(os.sched_getaffinity(0))
    settings = FuzzSettings(seed=seed, jobs=threads, keep=keep, cases=cases, seconds=seconds)
    with _Bar(cases, seconds) as bar:
        report = run_fuzz(settings, bar.tell)
    _show(report, keep, output_format)
    if report.findings:
        raise typer.Exit(EXIT_FAILED)


class _Bar:
    """Shows how far a run is, by its cases or by its time; ends the process if it gets stuck."""

    def __init__(self, cases: int | None, seconds: float | None) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.fields[cases]} cases"),
            BarColumn(bar_width=None),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._by_cases = cases is not None
        self._total = float(cases or seconds or 0)
        self._task: TaskID | None = None

    def __enter__(self) -> _Bar:
        self._progress.start()
        self._task = self._progress.add_task("", total=self._total, cases=0)
        self.tell(0)
        return self

    def __exit__(self, *_: object) -> None:
        faulthandler.cancel_dump_traceback_later()
        self._progress.stop()

    def tell(self, done: int) -> None:
        assert self._task is not None
        if sys.__stderr__ is not None:
            faulthandler.dump_traceback_later(_STUCK_AFTER_S, exit=True, file=sys.__stderr__)
        elapsed_s = self._progress.tasks[0].elapsed or 0.0
        completed = done if self._by_cases else elapsed_s
        self._progress.update(self._task, completed=min(completed, self._total), cases=done)


def _replay(path: Path, output_format: Format) -> None:
    from clipwarden.fuzz.run import replay
    from clipwarden.fuzz.trial import Kind

    check_input(path)
    try:
        outcomes = replay(path)
    except OSError as error:
        raise ProductError(f"{path}: {error.strerror}.", "Name a file that was kept.") from error
    if output_format is Format.JSON:
        typer.echo(json.dumps([_replayed(*each) for each in outcomes], indent=2))
    else:
        for case, outcome in outcomes:
            way = f"{case.sampling.name} {case.geometry.name}"
            typer.echo(f"{way}: {outcome.kind}, {outcome.label}. {outcome.detail}".rstrip())
    if any(outcome.kind == Kind.FINDING for _, outcome in outcomes):
        raise typer.Exit(EXIT_FAILED)


def _replayed(case: Case, outcome: Outcome) -> dict[str, str]:
    return {
        "sampling": case.sampling.name,
        "geometry": case.geometry.name,
        "kind": outcome.kind,
        "label": outcome.label,
        "detail": outcome.detail,
    }


def _show(report: FuzzReport, keep: Path, output_format: Format) -> None:
    if output_format is Format.JSON:
        fields = asdict(report) | {"findings": report.findings}
        typer.echo(json.dumps(fields, indent=2))
        return
    console = Console()
    table = Table(box=None, header_style="bold")
    for heading in ("outcome", "which"):
        table.add_column(heading, no_wrap=True)
    table.add_column("cases", justify="right")
    for kind, labels in report.outcomes.items():
        for label, count in sorted(labels.items(), key=lambda item: -item[1]):
            table.add_row(kind, label, f"{count:,}")
    console.print(table)
    rate = report.cases / max(report.elapsed_s, 0.1)
    typer.echo(
        f"{report.cases:,} cases in {report.elapsed_s:.0f} s ({rate:.1f}/s) from {report.seeds} "
        f"seeds; {report.novel_files} files had a new outcome"
    )
    for record in report.kept:
        where = keep / record.file if record.file else "no single file"
        console.print(escape(f"{record.kind}: {record.label}: {record.detail} ({where})"))
    deaths = sum(report.outcomes.get("died", {}).values())
    typer.echo(f"{deaths} decoding processes died by a signal, {report.findings} findings.")
