"""Progress of what takes long with models: fetching them, and hashing gigabytes."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column
from rich.text import Text

from clipwarden.cli.models_view import size_words

if TYPE_CHECKING:
    from worker.models.download_plan import DownloadPlan

# What takes less is not worth a line.
_PATIENCE_S = 1.0

# From this many columns on there is room for a file's whole name.
_WIDE = 80
_NAME_WIDTH = 20


class FetchBar:
    """One bar over all files of a model, on stderr: size, rate and time left."""

    def __init__(self, plan: DownloadPlan, *, quiet: bool) -> None:
        console = Console(stderr=True)
        self._is_drawn = console.is_terminal and not quiet
        self._progress = Progress(
            *_columns(console.width), console=console, transient=True, disable=not self._is_drawn
        )
        self._task = self._progress.add_task("", total=plan.size_bytes or None)
        if not quiet:
            console.print(
                f"{plan.repo}@{plan.commit[:12]}: {len(plan.files)} files, "
                f"{size_words(plan.size_bytes)}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )

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

    def tell(self, name: str, done_bytes: int) -> None:
        """Take note of the file that is fetched, and how much of all files is here."""
        shown = name if len(name) <= _NAME_WIDTH else f"…{name[1 - _NAME_WIDTH :]}"
        self._progress.update(self._task, description=shown, completed=done_bytes)


class HashLine:
    """A line on stderr while files are hashed, where that takes more than a second."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._status = self._console.status("")
        self._since_s: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._status.stop()

    def tell(self, path: Path, done_bytes: int, size_bytes: int) -> None:
        """Take note of how far a file is hashed."""
        if self._since_s is None:
            self._since_s = time.monotonic()
        if not self._console.is_terminal or time.monotonic() - self._since_s < _PATIENCE_S:
            return
        words = f"hashing {path.name}: {size_words(done_bytes)} of {size_words(size_bytes)}"
        self._status.update(Text(words))
        self._status.start()


def _columns(width: int) -> list[ProgressColumn]:
    """A narrow terminal has no room for the bar itself: the numbers say more."""
    numbers: list[ProgressColumn] = [
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    ]
    name = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))
    return [name, BarColumn(bar_width=None), *numbers] if width >= _WIDE else [name, *numbers]
