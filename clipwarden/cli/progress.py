"""Progress on a terminal: one bar per video that is being worked on, and one over all."""

from __future__ import annotations

from pathlib import PurePath
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
)

from clipwarden.cli.figures import progress_words
from clipwarden.following import Pending, Watcher
from clipwarden.overview import ProgressInfo
from ingest.media.check import displayed_name
from ingest.queue import gate

_NAME_WIDTH = 32

# From this many columns on there is room for words beside the bar.
_WIDE = 80


class ProgressBars(Watcher):
    """Draws bars on stderr; where that is no terminal, rich draws nothing."""

    def __init__(self, inputs: int, *, quiet: bool) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[state]}"),
            console=console,
            transient=True,
            # What is printed meanwhile belongs on stdout: rich would take it along to stderr.
            redirect_stdout=False,
            disable=quiet or not console.is_terminal,
            expand=True,
        )
        self._inputs = inputs
        self._all: TaskID | None = None
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bars off the terminal; what follows is printed."""
        self._progress.stop()

    def starting(self) -> None:
        """Show that something happens before the first frame does."""
        self._all = self._progress.add_task(
            "all inputs", total=self._inputs, state="loading the model"
        )

    def ready(self) -> None:
        """Show that frames will move from now on."""
        self._count_inputs()

    def progressed(self, pending: Pending, progress: gate.Progress) -> None:
        """Show a video's bar once its first frame is sampled.

        With a thousand inputs queued, most bars would stand still.
        """
        if pending.index not in self._tasks:
            if not progress.sampled:
                return
            name = displayed_name(PurePath(pending.source).name)
            name = name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"
            self._tasks[pending.index] = self._progress.add_task(name, total=None, state="")
        info = ProgressInfo.of(progress)
        self._progress.update(
            self._tasks[pending.index],
            completed=info.frames_embedded,
            total=info.total,
            state=progress_words(info, short=self._progress.console.width < _WIDE),
        )

    def finished(self, index: int) -> None:
        """Take the video's bar away and count it."""
        if (task := self._tasks.pop(index, None)) is not None:
            self._progress.remove_task(task)
        if self._all is not None:
            self._progress.advance(self._all)
            self._count_inputs()

    def _count_inputs(self) -> None:
        if self._all is not None:
            done = self._progress.tasks[0].completed
            self._progress.update(self._all, state=f"{done:.0f} of {self._inputs}")
