"""`clipwarden submit --watch`: what comes into folders is submitted, until somebody ends it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import typer

from clipwarden.cli.errors import print_error
from clipwarden.cli.options import Format
from clipwarden.cli.outcomes import Outcome, print_line, refused, submitted
from clipwarden.cli.output import writing_stdout
from clipwarden.intake import Request, accept, prepare
from ingest.errors import MediaChanged, MediaError, Passing
from ingest.media.check import displayed_name
from ingest.sources.naming import LocalPath
from ingest.sources.watching import FolderWatch
from ingest.stores import Stores

_LOOKS_PER_SETTLING = 4
_SHORTEST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


def watch_folders(
    stores: Stores,
    request: Request,
    folders: Sequence[Path],
    settle_s: float,
    output_format: Format,
) -> NoReturn:
    """Submit every file of folders once it is complete, and again when it has changed.

    A file that fails is told, and left alone until it changes. Ends by an interrupt.
    """
    prepare(stores, request)
    watches = [_Watched(folder, settle_s) for folder in folders]
    names = ", ".join(displayed_name(str(folder)) for folder in folders)
    typer.echo(f"Watching {names}; Ctrl-C ends it.", err=True)
    pause_s = min(max(settle_s / _LOOKS_PER_SETTLING, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S)
    while True:
        for watched in watches:
            for path in watched.look():
                outcome = _submit(stores, request, watched.watch, path)
                if outcome is not None:
                    _print(outcome, output_format)
        time.sleep(pause_s)


class _Watched:
    """A folder that is watched; that it can't be read is told once, until it can."""

    def __init__(self, folder: Path, settle_s: float) -> None:
        self.watch = FolderWatch(folder, settle_s)
        self._is_told = False

    def look(self) -> list[Path]:
        """The files that are complete by now; none where the folder can't be read."""
        try:
            ready = self.watch.look()
        except MediaError as error:
            if not self._is_told:
                print_error(error)
            self._is_told = True
            return []
        self._is_told = False
        return ready


def _submit(stores: Stores, request: Request, watch: FolderWatch, path: Path) -> Outcome | None:
    """What became of a file; None where it is to be tried again."""
    try:
        return submitted(stores, accept(stores, request, path))
    except MediaChanged:
        # Somebody writes to it again.
        watch.try_again(path)
        return None
    except MediaError as error:
        print_error(error)
        return refused(LocalPath(path), error)
    except Passing as error:
        print_error(error)
        watch.try_again(path)
        return None


def _print(outcome: Outcome, output_format: Format) -> None:
    if output_format is Format.JSON:
        with writing_stdout():
            sys.stdout.write(f"{json.dumps(asdict(outcome))}\n")
    elif outcome.id is not None:
        print_line(outcome)
