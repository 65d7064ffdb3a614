"""The console script `clipwarden`."""

from __future__ import annotations

import logging
import signal
import sys
from types import FrameType
from typing import Annotated

import structlog
import typer

from clipwarden import __version__
from clipwarden.cli import bench, calibrations, models, prompts
from clipwarden.cli.analyze import analyze
from clipwarden.cli.calibrate_scores import calibrate_scores
from clipwarden.cli.chaos import chaos
from clipwarden.cli.classify import classify
from clipwarden.cli.diff import diff
from clipwarden.cli.doctor import doctor
from clipwarden.cli.embed import embed
from clipwarden.cli.errors import EXIT_FAILED, EXIT_INTERRUPTED, exit_status, print_error
from clipwarden.cli.evaluate import evaluate
from clipwarden.cli.export import export
from clipwarden.cli.fuzz import fuzz
from clipwarden.cli.jobs import cancel, repair, retry
from clipwarden.cli.output import discard_stdout
from clipwarden.cli.purge import purge
from clipwarden.cli.rescore import rescore
from clipwarden.cli.results import results
from clipwarden.cli.serve import serve
from clipwarden.cli.status import status
from clipwarden.cli.submit import submit
from clipwarden.cli.train_head import train_head
from clipwarden.cli.work import work
from clipwarden.errors import OutputFailed, ProductError
from prompts.errors import ClipwardenError

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

app = typer.Typer(
    name="clipwarden",
    help="Video analysis and content moderation: timestamped segments and flags.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command()(analyze)
app.command()(classify)
app.command()(embed)
app.command()(evaluate)
app.command("calibrate")(calibrate_scores)
app.command("train-head")(train_head)
app.command()(rescore)
app.command()(diff)
app.command()(serve)
app.command()(work)
app.command()(submit)
app.command()(status)
app.command()(results)
app.command()(export)
app.command()(cancel)
app.command()(retry)
app.command()(repair)
app.command()(purge)
app.command()(doctor)
app.command()(chaos)
app.command()(fuzz)
app.add_typer(calibrations.app, name="calibrations")
app.add_typer(prompts.app, name="prompts")
app.add_typer(models.app, name="models")
app.add_typer(bench.app, name="bench")


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
    for number in _STOP_SIGNALS:
        # Whoever started us with nohup wants it ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    # What is done in this process is told in words of its own; stdout is for results alone, and
    # a log would go there. Services set theirs up anew.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        _run()
    except ClipwardenError as error:
        print_error(error)
        sys.exit(exit_status(error))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        discard_stdout()
        sys.exit(EXIT_FAILED)
    except OSError as error:
        discard_stdout()
        words = f"{error.filename or 'the system'}: {error.strerror or error}."
        print_error(ProductError(words, "Check disk space, memory and permissions."))
        sys.exit(EXIT_FAILED)


def _run() -> None:
    if sys.stdout is None:
        raise OutputFailed("stdout is closed.", "Open it: >/dev/null does, if you don't need it.")
    try:
        app()
    finally:
        # Not left to the interpreter, which would tell a failure its own way.
        sys.stdout.flush()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Treat a polite kill like Ctrl-C: everything that was started is stopped in order.

    A second one changes nothing: it would break into the stopping and leave processes behind.
    """
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
