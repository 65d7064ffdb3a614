"""A bar for files that are hashed and copied, which takes minutes for many gigabytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ingest.media.check import displayed_name

# What is read sooner than anybody can look at it needs no bar.
_MIN_BYTES = 20_000_000

_NAME_WIDTH = 32


class ReadingBar:
    """Draws one bar over all files on stderr; where that is no terminal, nothing."""

    def __init__(self, paths: Sequence[Path], *, quiet: bool, is_read_twice: bool) -> None:
        console = Console(stderr=True)
        self._times = 2 if is_read_twice else 1
        total = sum(map(_size_bytes, paths)) * self._times
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
            disable=quiet or total < _MIN_BYTES or not console.is_terminal,
            expand=True,
        )
        self._task = self._progress.add_task("reading", total=total)
        self._due = 0

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

    def begin(self, path: Path) -> None:
        """Say which file comes now; the one before is done, also where it was not copied."""
        name = displayed_name(path.name)
        self._progress.update(self._task, completed=self._due, description=name[:_NAME_WIDTH])
        self._due += _size_bytes(path) * self._times

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Take the bar off the terminal while lines are printed."""
        self._progress.stop()
        yield
        self._progress.start()

    def on_read(self, size_bytes: int) -> None:
        """Move on by that much."""
        self._progress.advance(self._task, size_bytes)


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        # It will be refused with a reason.
        return 0
