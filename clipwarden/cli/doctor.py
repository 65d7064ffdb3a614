"""`clipwarden doctor`: what is here, what is missing, and how to get it."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clipwarden.cli.errors import EXIT_FAILED
from clipwarden.cli.options import Data, Format, FormatOption, data_folder, redis_url
from clipwarden.doctor import Verdict, examine

_STYLES = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.MISSING: "bold red"}


def doctor(data: Data = None, output_format: FormatOption = Format.TABLE) -> None:
    """Check this installation: versions, devices, extras, queue server, data folder.

    Changes nothing, but makes the data folder where it is missing.

    Exit status 0 where everything needed is here, 1 where something is missing.

    Example: clipwarden doctor --format json
    """
    findings = examine(data_folder(data), redis_url())
    if output_format is Format.JSON:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        table = Table("what", "", box=None)
        table.add_column("found", overflow="fold")
        table.add_column("what to do", overflow="fold")
        for finding in findings:
            verdict = f"[{_STYLES[finding.verdict]}]{finding.verdict}[/]"
            table.add_row(
                escape(finding.topic), verdict, escape(finding.detail), escape(finding.cure)
            )
        Console().print(table)
    if any(finding.verdict is Verdict.MISSING for finding in findings):
        raise typer.Exit(EXIT_FAILED)
