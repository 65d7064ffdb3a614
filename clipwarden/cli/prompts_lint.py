"""`clipwarden prompts lint`: what a valid set does not mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from clipwarden.cli.errors import EXIT_FAILED, EXIT_USAGE, print_error
from clipwarden.cli.options import Format, FormatOption
from clipwarden.prompt_tokens import token_limit_of
from clipwarden.report.wording import count
from prompts import document
from prompts.errors import InvalidPromptSet, PromptsError
from prompts.lint import CAUTIOUS, Finding, Severity, TokenLimit, lint
from prompts.loader import load_prompt_set, shipped_prompt_sets
from worker.models.resolve import resolve_model

Sets = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SET]...", help="Files or names of sets; all shipped ones by default."),
]
CountingModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Count tokens as this model does; without it, they are estimated.",
        show_default=False,
    ),
]

_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


@dataclass(frozen=True)
class _Report:
    source: str
    findings: Sequence[Finding]


def lint_sets(
    sets: Sets = None, model: CountingModel = None, output: FormatOption = Format.TABLE
) -> None:
    """Find duplicates, contradictions, and prompts longer than a model reads, in prompt sets.

    Errors change what is found: prompts that cancel each other out, names that two labels answer
    to, ends that are not read. Warnings are waste, or slips.

    Exit status 0: no errors. 1: there are some. 2: a set can't be loaded, or the model is wrong.

    Examples:

      clipwarden prompts lint

      clipwarden prompts lint mine.yaml --model openai/clip-vit-base-patch32 --format json
    """
    limit = CAUTIOUS if model is None else token_limit_of(resolve_model(model))
    try:
        reports = [_report(name, limit) for name in sets or shipped_prompt_sets()]
    except PromptsError as error:
        for line in error.details if isinstance(error, InvalidPromptSet) else [None]:
            print_error(error, line)
        raise typer.Exit(EXIT_USAGE) from error
    counts = {severity: _count(reports, severity) for severity in Severity}
    if output is Format.JSON:
        typer.echo(json.dumps(_json(reports, counts), indent=2))
    else:
        _print(Console(), reports, counts)
    if counts[Severity.ERROR]:
        raise typer.Exit(EXIT_FAILED)


def set_path(name: str) -> Path:
    """The file of a set that was loaded by that name."""
    if name in shipped_prompt_sets():
        return Path(str(resources.files("prompts") / "sets" / f"{name}.yaml"))
    return Path(name)


def _report(name: str, limit: TokenLimit) -> _Report:
    # Loading tells what is wrong with a file, and with each key of it.
    prompt_set = load_prompt_set(name)
    path = set_path(name)
    source = name if path == Path(name) else path.name
    return _Report(source, lint(prompt_set, document.parse(path.read_bytes()), limit))


def _count(reports: Sequence[_Report], severity: Severity) -> int:
    return sum(one.severity is severity for report in reports for one in report.findings)


def _json(reports: Sequence[_Report], counts: dict[Severity, int]) -> dict[str, object]:
    findings = [
        {"file": report.source} | asdict(one) for report in reports for one in report.findings
    ]
    summary = {"sets": len(reports), "errors": counts[Severity.ERROR]}
    return {"findings": findings, "summary": summary | {"warnings": counts[Severity.WARNING]}}


def _print(console: Console, reports: Sequence[_Report], counts: dict[Severity, int]) -> None:
    for report in reports:
        for one in report.findings:
            text = Text(f"{report.source}, line {one.line}, {one.key}: ")
            text.append(f"{one.severity}[{one.code}]", style=_STYLES[one.severity])
            text.append(f": {one.message}. {one.cure}")
            console.print(text, soft_wrap=not console.is_terminal)
    errors, warnings = counts[Severity.ERROR], counts[Severity.WARNING]
    checked = ", ".join(report.source for report in reports)
    words = f"{count(errors, 'error')}, {count(warnings, 'warning')} in {checked}."
    console.print(Text(words), soft_wrap=not console.is_terminal)
