"""Progress on a terminal: one bar per video that is being worked on, and one over all."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from clipwarden.analysis import Finished, Pending, Watcher
from ingest.media.check import displayed_name
from ingest.queue import gate

_NAME_WIDTH = 32


class ProgressBars(Watcher):
    """Draws bars on stderr; where that is no terminal, rich draws nothing."""

    def __init__(self, inputs: int, *, quiet: bool) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            transient=True,
            disable=quiet or not Console(stderr=True).is_terminal,
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
        self._progress.stop()

    def starting(self) -> None:
        """Show that something happens before the first frame does."""
        self._all = self._progress.add_task("all inputs", total=self._inputs, unit="inputs")

    def submitted(self, pending: Pending) -> None:
        """Add nothing yet: with a thousand inputs queued, most bars would stand still."""

    def progressed(self, pending: Pending, progress: gate.Progress) -> None:
        """Show a video's bar once its first frame is sampled."""
        if pending.index not in self._tasks:
            if not progress.sampled:
                return
            name = displayed_name(pending.path.name)
            name = name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"
            self._tasks[pending.index] = self._progress.add_task(name, total=None, unit="frames")
        # The header's estimate may be too small; a bar never goes beyond its end.
        total = None if progress.estimated is None else max(progress.estimated, progress.sampled)
        self._progress.update(self._tasks[pending.index], completed=progress.embedded, total=total)

    def finished(self, finished: Finished) -> None:
        """Take the video's bar away and count it."""
        if (task := self._tasks.pop(finished.index, None)) is not None:
            self._progress.remove_task(task)
        if self._all is not None:
            self._progress.advance(self._all)
