"""How errors look on the command line: one line on stderr, and an exit status."""

from __future__ import annotations

import sys

from ingest.errors import InvalidSampling
from prompts.errors import ClipwardenError, PromptsError
from worker.errors import ModelError

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_SOME_INPUTS_FAILED = 3
EXIT_INTERRUPTED = 130

# What the user wrote is wrong, not what happened to it.
_USAGE_ERRORS = (PromptsError, InvalidSampling, ModelError)


def print_error(error: ClipwardenError) -> None:
    """Write `error[code]: what was wrong. What to do.` to stderr, unwrapped, on one line."""
    words = " ".join(str(error).split())
    sys.stderr.write(f"error[{error.code}]: {words}\n")


def exit_status(error: ClipwardenError) -> int:
    """The status for an error that ended the whole command."""
    return EXIT_USAGE if isinstance(error, _USAGE_ERRORS) else EXIT_FAILED
