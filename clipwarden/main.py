"""The console script `clipwarden`."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from clipwarden import __version__
from clipwarden.cli import prompts
from clipwarden.cli.analyze import analyze
from clipwarden.cli.doctor import doctor
from clipwarden.cli.errors import EXIT_INTERRUPTED, exit_status, print_error
from prompts.errors import ClipwardenError

app = typer.Typer(
    name="clipwarden",
    help="Video analysis and content moderation: timestamped segments and flags.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command()(analyze)
app.command()(doctor)
app.add_typer(prompts.app, name="prompts")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"clipwarden {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line: every error of ours is one line on stderr and an exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        app()
    except ClipwardenError as error:
        print_error(error)
        sys.exit(exit_status(error))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Treat a polite kill like Ctrl-C: everything that was started is stopped in order."""
    raise KeyboardInterrupt
