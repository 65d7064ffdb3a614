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
from clipwarden.cli.inputs import unreadable_words
from clipwarden.cli.options import Format
from clipwarden.cli.outcomes import Outcome, print_line, refused, submitted
from clipwarden.cli.output import writing_stdout
from clipwarden.intake import accept, prepare
from clipwarden.request import Request
from ingest.errors import MediaChanged, MediaError, MediaNotFound, Passing
from ingest.media.check import displayed_name
from ingest.sources.folders import FileState
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

    A file that fails is told, and left alone until it changes; one that can't be read is tried
    again, and told once. Ends by an interrupt.
    """
    request = prepare(stores, request)
    watches = [_Watched(folder, settle_s) for folder in folders]
    names = ", ".join(displayed_name(str(folder)) for folder in folders)
    typer.echo(f"Watching {names}; Ctrl-C ends it.", err=True)
    pause_s = min(max(settle_s / _LOOKS_PER_SETTLING, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S)
    while True:
        for watched in watches:
            for path, state in watched.look().items():
                outcome = watched.submit(stores, request, LocalPath(path, state))
                if outcome is not None:
                    _print(outcome, output_format)
        time.sleep(pause_s)


class _Watched:
    """A folder that is watched; what can't be read in it is told once, until it can."""

    def __init__(self, folder: Path, settle_s: float) -> None:
        self._name = displayed_name(str(folder))
        self._watch = FolderWatch(folder, settle_s)
        self._is_told = False
        self._told_below: tuple[Path, ...] = ()
        self._told_files: dict[Path, FileState | None] = {}

    def look(self) -> dict[Path, FileState]:
        """The files that are complete by now; none where the folder can't be read."""
        try:
            ready = self._watch.look()
        except MediaError as error:
            if not self._is_told:
                print_error(error)
            self._is_told = True
            return {}
        self._is_told = False
        below = self._watch.unreadable
        if not set(below) <= set(self._told_below):
            typer.echo(f"warning: {self._name}: {unreadable_words(below)}.", err=True)
        self._told_below = below
        return ready

    def submit(self, stores: Stores, request: Request, file: LocalPath) -> Outcome | None:
        """What became of a file; None where it is to be tried again and that is no news."""
        try:
            accepted = accept(stores, request, file.path, listed=file.listed)
        except MediaChanged:
            # Somebody writes to it again.
            self._watch.try_again(file.path)
            return None
        except MediaNotFound as error:
            self._watch.try_again(file.path)
            if self._told_files.get(file.path) == file.listed:
                return None
            self._told_files[file.path] = file.listed
            print_error(error)
            return refused(file, error)
        except MediaError as error:
            print_error(error)
            return refused(file, error)
        except Passing as error:
            print_error(error)
            self._watch.try_again(file.path)
            return None
        self._told_files.pop(file.path, None)
        return submitted(stores, accepted)


def _print(outcome: Outcome, output_format: Format) -> None:
    if output_format is Format.JSON:
        with writing_stdout():
            sys.stdout.write(f"{json.dumps(asdict(outcome))}\n")
    elif outcome.id is not None:
        print_line(outcome)
