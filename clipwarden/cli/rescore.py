"""`clipwarden rescore`: another prompt set or calibration over what is embedded already."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from clipwarden.calibration_choice import CalibrationChoice
from clipwarden.cli.errors import EXIT_SOME_INPUTS_FAILED
from clipwarden.cli.options import (
    BlobUrl,
    CalibrationOption,
    Data,
    DatabaseUrl,
    Format,
    FormatOption,
    Quiet,
    named_folder,
    store_environment,
)
from clipwarden.cli.output import writing_stdout
from clipwarden.cli.rescore_progress import RescoreBar
from clipwarden.cli.rescore_view import preview_words, print_preview, print_stored
from clipwarden.cli.where_option import Where, check_where, parse_where
from clipwarden.data_folder import DataFolder
from clipwarden.rescoring.conditions import Conditions
from clipwarden.rescoring.document import Preview, RescoreDocument, Stored
from clipwarden.rescoring.errors import RescoreUnconfirmed
from clipwarden.rescoring.rescorer import Rescorer
from clipwarden.rescoring.run import Rescoring
from clipwarden.rescoring.works import stored_models
from clipwarden.stored_results import result_stores
from ingest.stores import Stores
from ingest.tables import DEFAULT_TENANT
from prompts.loader import load_prompt_set
from prompts.schema import PromptSet

PromptSetName = Annotated[
    str,
    typer.Option(
        "--prompts", "-p", help="A shipped prompt set or a YAML file.", show_default=False
    ),
]
OneModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="KEY|ID",
        help="Only what this model embedded; by default whatever any model did.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would change; no more.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
Current = Annotated[
    bool,
    typer.Option(
        "--current", help="From then on the videos' own results show it, in place of the set's old."
    ),
]
Listed = Annotated[
    int, typer.Option("--first", min=0, help="List so many of the videos that change.")
]


def rescore(
    prompts: PromptSetName,
    calibration: CalibrationOption = "auto",
    where: Where = None,
    model: OneModel = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    current: Current = False,
    first: Listed = 20,
    output: FormatOption = Format.TABLE,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
    quiet: Quiet = False,
) -> None:
    """Score stored videos anew by another prompt set or calibration; no frame is decoded again.

    First it shows what would change, then it asks. Results lie beside the old ones: `clipwarden
    results --version` shows them, `clipwarden diff` compares them. It works beside a running
    service, which is asked for the vectors of new texts and keeps them; else a dry run keeps
    nothing.

    Exit status 0: all were scored, or it was a dry run. 1: nobody confirmed. 2: the command line,
    the prompt set or the calibration is wrong. 3: some can't be scored, the others were.

    Examples:

      clipwarden rescore --prompts stricter.yaml --dry-run

      clipwarden rescore --prompts moderation --calibration none --where label=weapons --yes

      clipwarden rescore --prompts moderation --where since=30d --current
    """
    prompt_set = load_prompt_set(prompts)
    choice, conditions = CalibrationChoice.parse(calibration), parse_where(where)
    folder, environment = named_folder(data), store_environment(database_url, blob_url)
    with result_stores(folder, environment) as stores:
        check_where(conditions, stores, DEFAULT_TENANT)
        with RescoreBar(quiet=quiet) as bar:
            rescorer = _rescorer(stores, folder, prompt_set, choice, model, bar.tell)
            run = _run(stores, rescorer, conditions, bar, prompts)
            preview = run.preview(first)
        document = RescoreDocument(versions=rescorer.versions, preview=preview)
        _show(document, output, is_last=dry_run or not preview.counts.videos)
        if dry_run:
            return
        if preview.counts.videos:
            _confirm(preview, document, output, yes=yes)
            with RescoreBar(quiet=quiet) as bar:
                stored = _run(stores, rescorer, conditions, bar, prompts).store(
                    make_current=current
                )
            _show_stored(document, stored, output)
            if stored.left:
                raise typer.Exit(EXIT_SOME_INPUTS_FAILED)
        elif preview.left_count:
            raise typer.Exit(EXIT_SOME_INPUTS_FAILED)


def _rescorer(
    stores: Stores,
    folder: DataFolder,
    prompt_set: PromptSet,
    choice: CalibrationChoice,
    model: str | None,
    tell: Callable[[str], None],
) -> Rescorer:
    models = stored_models(stores, DEFAULT_TENANT, model)
    return Rescorer.prepare(stores, folder, DEFAULT_TENANT, prompt_set, choice, models, tell)


def _run(
    stores: Stores, rescorer: Rescorer, conditions: Conditions, bar: RescoreBar, prompts: str
) -> Rescoring:
    return Rescoring(stores, DEFAULT_TENANT, rescorer, conditions, bar, prompts)


def _confirm(preview: Preview, document: RescoreDocument, output: Format, *, yes: bool) -> None:
    """Ask whether to go on; raises RescoreUnconfirmed."""
    if yes:
        return
    if not sys.stdin.isatty():
        if output is Format.JSON:
            _print_json(document)
        raise RescoreUnconfirmed(
            "nothing was stored: nobody can be asked whether this is wanted.",
            "Say --yes to store it, or --dry-run to see it only.",
        )
    if output is Format.JSON:
        typer.echo(preview_words(preview), err=True)
    if not typer.confirm("Store these results?", err=True):
        raise RescoreUnconfirmed("nothing was stored.", "Answer y, or say --yes, to store it.")


def _show(document: RescoreDocument, output: Format, *, is_last: bool) -> None:
    """Print the preview; JSON is one object, which comes at the end."""
    if output is Format.TABLE:
        with writing_stdout():
            print_preview(Console(), document)
    elif is_last:
        _print_json(document)


def _show_stored(document: RescoreDocument, stored: Stored, output: Format) -> None:
    if output is Format.JSON:
        _print_json(document.model_copy(update={"stored": stored}))
        return
    with writing_stdout():
        print_stored(Console(), document, stored)


def _print_json(document: RescoreDocument) -> None:
    with writing_stdout():
        typer.echo(document.model_dump_json(by_alias=True, indent=2))
