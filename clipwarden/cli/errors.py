"""How errors look on the command line: one line on stderr, and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable

from clipwarden.errors import WorkerRefused
from prompts.errors import ClipwardenError
from worker.document import ErrorInfo

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_SOME_INPUTS_FAILED = 3
EXIT_INTERRUPTED = 130

# What the user wrote is wrong, not what happened to it.
_USAGE_CODES = ("prompts.", "sampling.", "model.", "device.", "truth.", "head.", "classifier.")


def error_code(error: ClipwardenError) -> str:
    """The code to show: for a worker that refused, that of its own error."""
    return error.worker_code if isinstance(error, WorkerRefused) else error.code


def print_error(error: ClipwardenError, words: str | None = None) -> None:
    """Write `error[code]: what was wrong. What to do.` to stderr, unwrapped, on one line.

    `words` stand in the place of the error's own where it has several things to tell.
    """
    _print_line(error_code(error), words or str(error))


def print_failure(failure: ErrorInfo) -> None:
    """Write why a document has no result, as `print_error` writes errors."""
    _print_line(failure.code, f"{failure.message} {failure.cure}")


def succeeds(step: Callable[[], object]) -> bool:
    """Run a step whose failure must not keep others from running: tell it, and return False."""
    try:
        step()
    except ClipwardenError as error:
        print_error(error)
        return False
    return True


def exit_status(error: ClipwardenError) -> int:
    """The status for an error that ended the whole command."""
    return EXIT_USAGE if error_code(error).startswith(_USAGE_CODES) else EXIT_FAILED


def _print_line(code: str, words: str) -> None:
    line = " ".join(words.split())
    # A shell can close stderr, too.
    if sys.stderr is not None:
        sys.stderr.write(f"error[{code}]: {line}\n")
