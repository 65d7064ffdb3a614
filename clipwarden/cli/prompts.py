"""`clipwarden prompts`: list the shipped sets, show one; validate, lint and test your own."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from clipwarden.cli.errors import EXIT_USAGE, print_error
from clipwarden.cli.options import Format, FormatOption
from clipwarden.cli.prompts_lint import lint_sets
from clipwarden.cli.prompts_test import try_sets
from clipwarden.report.wording import count
from prompts.errors import InvalidPromptSet, PromptsError
from prompts.label import Label
from prompts.loader import load_prompt_set, shipped_prompt_sets
from prompts.rules import Rule
from prompts.schema import PromptSet

TABLE_MIN_COLUMNS = 70
"""On a narrower terminal a label's prompts stand under it: beside it they'd be a word wide."""

app = typer.Typer(
    help="Prompt sets: what to look for in a video.", no_args_is_help=True, rich_markup_mode=None
)
app.command("lint")(lint_sets)
app.command("test")(try_sets)


@app.command("list")
def list_sets(output: FormatOption = Format.TABLE) -> None:
    """List the prompt sets that come with the program.

    Example: clipwarden prompts list --format json
    """
    sets = [load_prompt_set(name) for name in shipped_prompt_sets()]
    if output is Format.JSON:
        _print_json([_summary(prompt_set) for prompt_set in sets])
        return
    table = _table("name", "version", "labels", "what it looks for")
    for prompt_set in sets:
        facts = (prompt_set.name, prompt_set.version, str(len(prompt_set.labels)))
        table.add_row(*map(escape, (*facts, prompt_set.description)))
    Console().print(table)


@app.command("show")
def show_set(
    name: Annotated[str, typer.Argument(help="A shipped set's name, or a file ending in .yaml.")],
    output: FormatOption = Format.TABLE,
) -> None:
    """Show a prompt set's labels, thresholds and prompts, defaults filled in.

    Examples: clipwarden prompts show moderation; clipwarden prompts show ./mine.yaml --format json
    """
    try:
        prompt_set = load_prompt_set(name)
    except PromptsError as error:
        _print_mistakes(error)
        raise typer.Exit(EXIT_USAGE) from error
    if output is Format.JSON:
        _print_json(prompt_set.model_dump(mode="json") | {"sha256": prompt_set.sha256})
        return
    console = Console()
    heading = f"{prompt_set.name} {prompt_set.version}, sha256 {prompt_set.sha256[:16]}"
    console.print(heading, highlight=False, markup=False)
    console.print(prompt_set.description, highlight=False, markup=False)
    _print_labels(console, prompt_set)
    contrast = ", ".join(prompt_set.contrast) or "none, each label has its own"
    console.print(f"Compared with: {contrast}", highlight=False, markup=False)
    for rule in prompt_set.rules:
        console.print(_rule_words(rule), highlight=False, markup=False)


@app.command("validate")
def validate_files(
    files: Annotated[list[str], typer.Argument(help="Files or names of sets to check.")],
    output: FormatOption = Format.TABLE,
) -> None:
    """Check prompt sets; prints every mistake with its line and what to do about it.

    Exit code 0 where all are valid, 2 where any is not.

    Example: clipwarden prompts validate mine.yaml theirs.yaml
    """
    reports = [_validate(name) for name in files]
    if output is Format.JSON:
        _print_json(reports)
    else:
        table = _table("file", "valid", "labels", "sha256")
        for report in reports:
            valid = "yes" if report["valid"] else "no"
            facts = (report["file"], valid, str(report["labels"]), (report["sha256"] or "-")[:16])
            table.add_row(*map(escape, facts))
        Console().print(table)
    if not all(report["valid"] for report in reports):
        raise typer.Exit(EXIT_USAGE)


def _validate(name: str) -> dict[str, Any]:
    try:
        prompt_set = load_prompt_set(name)
    except PromptsError as error:
        _print_mistakes(error)
        return {"file": name, "valid": False, "labels": 0, "sha256": None, "errors": _lines(error)}
    return {
        "file": name,
        "valid": True,
        "labels": len(prompt_set.labels),
        "sha256": prompt_set.sha256,
        "errors": [],
    }


def _summary(prompt_set: PromptSet) -> dict[str, Any]:
    return {
        "name": prompt_set.name,
        "version": prompt_set.version,
        "sha256": prompt_set.sha256,
        "description": prompt_set.description,
        "labels": [label.id for label in prompt_set.labels],
    }


def _print_labels(console: Console, prompt_set: PromptSet) -> None:
    rows = [_label_row(label) for label in prompt_set.labels]
    if console.width >= TABLE_MIN_COLUMNS:
        table = _table("label", "action", "enter/exit", "scored by")
        for row in rows:
            table.add_row(*map(escape, row))
        console.print(table)
        return
    for label_id, action, thresholds, prompts in rows:
        console.print(f"\n{label_id}: {action}, {thresholds}", highlight=False, markup=False)
        console.print(prompts, highlight=False, markup=False)


def _table(*headings: str) -> Table:
    return Table(*(Column(heading, overflow="fold") for heading in headings))


def _label_row(label: Label) -> tuple[str, str, str, str]:
    action = f"{label.action} nsfw" if label.nsfw else str(label.action)
    thresholds = f"{label.threshold:.2f}/{label.exit_threshold:.2f}"
    return label.id, action, thresholds, _scored_by(label)


def _scored_by(label: Label) -> str:
    if label.classifier is not None:
        return f"the frame classifier {label.classifier}"
    if label.heads:
        return f"trained heads, for models {', '.join(one.model_key for one in label.heads)}"
    return ", ".join(label.prompts)


def _rule_words(rule: Rule) -> str:
    wants = [f"at least {count(rule.min_segments, 'segment')}"]
    if rule.min_total_ms:
        wants.append(f"{rule.min_total_ms / 1000:g} s in all")
    if rule.min_confidence is not None:
        wants.append(f"each from {rule.min_confidence:.2f} on")
    action = f"{rule.action} nsfw" if rule.nsfw else str(rule.action)
    return f"Rule {rule.id}: {action} by {', '.join(rule.labels)}, {', '.join(wants)}"


def _lines(error: PromptsError) -> list[str]:
    return list(error.details) if isinstance(error, InvalidPromptSet) else [str(error)]


def _print_mistakes(error: PromptsError) -> None:
    for line in _lines(error):
        print_error(error, line)


def _print_json(document: object) -> None:
    typer.echo(json.dumps(document, indent=2))
