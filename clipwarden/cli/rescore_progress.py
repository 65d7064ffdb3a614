"""One bar over the stored videos that are scored anew or compared."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
)
from rich.text import Text

from clipwarden.cli.figures import span

_DECIMALS_BELOW = 10


class RescoreBar:
    """Draws on stderr; where that is no terminal, rich draws nothing."""

    def __init__(self, *, quiet: bool) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            _Pace(),
            console=console,
            transient=True,
            redirect_stdout=False,
            disable=quiet or not console.is_terminal,
            expand=True,
        )
        self._task = self._progress.add_task("looking", total=None)

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

    def tell(self, step: str) -> None:
        """Say what is waited for before the first video."""
        self._progress.reset(self._task, total=None, description=step)

    def begin(self, what: str, works: int) -> None:
        """Begin a pass over so many videos."""
        self._progress.reset(self._task, total=works, description=what)

    def advanced(self) -> None:
        """Count one video more."""
        self._progress.advance(self._task)


class _Pace(ProgressColumn):
    def render(self, task: Task) -> Text:
        words = []
        if task.speed is not None:
            decimals = 1 if task.speed < _DECIMALS_BELOW else 0
            words.append(f"{task.speed:.{decimals}f}/s")
        if task.time_remaining is not None:
            words.append(f"{span(task.time_remaining)} left")
        return Text(", ".join(words))
