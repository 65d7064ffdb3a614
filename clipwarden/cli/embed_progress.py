"""Progress of `clipwarden embed`: one bar, and a line for each input that fails."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from clipwarden.cli.errors import print_error
from ingest.errors import MediaError
from ingest.media.check import displayed_name

_TOLD_WARNINGS = 20
"""All of them are in Parquet, and in the neighbour of an NPY file."""


class EmbedProgress:
    """Draws on stderr; where that is no terminal, lines alone come out."""

    def __init__(self, inputs: int, *, quiet: bool) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
            redirect_stdout=False,
            disable=quiet or not console.is_terminal,
            expand=True,
        )
        self._task = self._progress.add_task("loading the model", total=inputs, start=False)
        self._has_begun = False
        self._warned = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def busy(self, step: str) -> None:
        """Show what is done before the first vector."""
        self._progress.update(self._task, description=displayed_name(step))

    def advanced(self, inputs: int) -> None:
        """Move on, counting the time from the first on: loading a model has no rate."""
        if not self._has_begun:
            self._progress.update(self._task, description="embedding")
            self._progress.start_task(self._task)
            self._has_begun = True
        self._progress.advance(self._task, inputs)

    def failed(self, error: MediaError) -> None:
        """Print why an input has no vector."""
        print_error(error)

    def warned(self, source: str, warnings: Sequence[str]) -> None:
        """Print what of an input is not seen as it was meant, for the first inputs."""
        self._warned += 1
        if self._warned <= _TOLD_WARNINGS:
            name = displayed_name(source)
            for one in warnings:
                typer.echo(f"warning: {name}: {one}", err=True)
        elif self._warned == _TOLD_WARNINGS + 1:
            typer.echo("warning: there are more, which are not shown.", err=True)


class _RateColumn(ProgressColumn):
    """Inputs per second, over the last half minute."""

    def render(self, task: Task) -> Text:
        """Nothing is known before there is a second input."""
        return Text("" if task.speed is None else f"{task.speed:.1f}/s")
