"""Text that goes to stdout or, once it is whole, into a file."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clipwarden.cli.output import writing_stdout
from clipwarden.embedding.draft import Draft, FileDraft, StdoutDraft, unwritable
from clipwarden.errors import OutputFailed

STDOUT = "-"
_FILE_WIDTH = 100

TextOutput = Annotated[
    str, typer.Option("--output", "-o", metavar="FILE|-", help="Where it goes; - is stdout.")
]


def text_draft(output: str) -> Draft:
    """Open what `--output` names, so that a file that can't be written is told at once.

    Raises OutputFailed.
    """
    if output == STDOUT:
        return StdoutDraft()
    if not Path(output).name:
        raise OutputFailed(f"{output or 'an empty name'} is a folder.", "Name a file in it.")
    return FileDraft(Path(output))


def write_text(draft: Draft, output: str, text: str) -> None:
    """Write all of it, and give the file its name; raises OutputFailed, BrokenPipeError."""
    try:
        draft.file.write(text.encode("utf-8"))
        draft.keep()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritable("stdout" if output == STDOUT else output, error) from error


def write_table(draft: Draft, output: str, show: Callable[[Console], None]) -> None:
    """Let `show` print on the terminal, or into a file of a fixed width; raises likewise."""
    if output == STDOUT:
        with writing_stdout():
            show(Console())
        return
    buffer = io.StringIO()
    show(Console(file=buffer, width=_FILE_WIDTH))
    write_text(draft, output, buffer.getvalue())
