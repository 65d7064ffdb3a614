"""Running the commands in this process: errors end them as the console script would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from clipwarden.cli.errors import error_code, exit_status
from prompts.errors import ClipwardenError


@dataclass(frozen=True)
class Done:
    """What a command left: its status, and the code of the error that ended it, if any."""

    status: int
    stdout: str
    stderr: str
    code: str | None


def run(command: Callable[..., Any], *words: str | Path, columns: int = 100) -> Done:
    """Run a command on a terminal of so many columns."""
    app = typer.Typer()
    app.command()(command)
    ran = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": str(columns)})
    error = ran.exception
    if isinstance(error, ClipwardenError):
        return Done(exit_status(error), ran.stdout, ran.stderr, error_code(error))
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return Done(ran.exit_code, ran.stdout, ran.stderr, None)


def sample_photo(name: str) -> Path:
    """One of the photos that scikit-learn brings: china.jpg, a palace; flower.jpg, a dahlia."""
    spec = find_spec("sklearn")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "datasets" / "images" / name
