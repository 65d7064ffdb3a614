"""`clipwarden diff`: what another prompt set or calibration finds otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from clipwarden.cli.label_option import require_known
from clipwarden.cli.options import (
    BlobUrl,
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
from clipwarden.cli.rescore_view import print_diff, print_versions
from clipwarden.cli.where_option import Where, check_where, parse_where
from clipwarden.rescoring.diffing import diff_versions
from clipwarden.rescoring.document import VersionsDocument
from clipwarden.rescoring.parts import StoredParts
from clipwarden.rescoring.versions import (
    StoredVersion,
    described_versions,
    find_version,
    stored_versions,
)
from clipwarden.stored_results import result_stores
from ingest.stores import Stores
from ingest.tables import DEFAULT_TENANT

_NAMED = "NAME, NAME@VERSION or how a hash begins; then :CALIBRATION, or :none for none."

Old = Annotated[
    str | None,
    typer.Argument(metavar="OLD", help=f"The version before: {_NAMED}", show_default=False),
]
New = Annotated[
    str | None, typer.Argument(metavar="NEW", help="The version after.", show_default=False)
]
OneLabel = Annotated[
    str | None,
    typer.Option("--label", "-l", help="Only this label and its children.", show_default=False),
]
Versions = Annotated[bool, typer.Option("--versions", help="List the stored versions.")]


def diff(
    old: Old = None,
    new: New = None,
    where: Where = None,
    label: OneLabel = None,
    versions: Versions = False,
    output: FormatOption = Format.TABLE,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
    quiet: Quiet = False,
) -> None:
    """Compare two versions of stored results: what is newly flagged, what no longer, and where.

    Each version is judged by its own segments. Those of a label that share half of their time are
    one that moved. Without versions, those that are stored are listed.

    Exit status 0: compared, whether they differ or not. 1: a version is not stored. 2: the command
    line is wrong, or names a label that neither version knows.

    Examples:

      clipwarden diff

      clipwarden diff moderation@1 moderation@2

      clipwarden diff moderation:none moderation:3f2a91bc --label weapons --where since=7d
    """
    conditions = parse_where(where)
    if (old is None) != (new is None):
        raise typer.BadParameter("name two versions, or none for a list of them.")
    folder, environment = named_folder(data), store_environment(database_url, blob_url)
    with result_stores(folder, environment) as stores:
        if old is None or new is None or versions:
            _list_versions(stores, output)
            return
        stored = stored_versions(stores, DEFAULT_TENANT)
        before, after = find_version(stored, old), find_version(stored, new)
        check_where(conditions, stores, DEFAULT_TENANT)
        _check_label(label, stores, (before, after))
        with RescoreBar(quiet=quiet) as bar:
            document = diff_versions(stores, DEFAULT_TENANT, before, after, conditions, bar, label)
    with writing_stdout():
        if output is Format.JSON:
            typer.echo(document.model_dump_json(by_alias=True, indent=2))
        else:
            print_diff(Console(), document)


def _check_label(label: str | None, stores: Stores, compared: Sequence[StoredVersion]) -> None:
    """A usage error where neither version knows the label."""
    if label is None:
        return
    parts = StoredParts(stores, DEFAULT_TENANT)
    sets = [parts.prompt_set(one.version.prompt_set_sha256) for one in compared]
    require_known([label], {own.id for one in sets for own in one.labels})


def _list_versions(stores: Stores, output: Format) -> None:
    found = described_versions(stores, DEFAULT_TENANT)
    with writing_stdout():
        if output is Format.JSON:
            document = VersionsDocument(versions=found)
            typer.echo(document.model_dump_json(by_alias=True, indent=2))
        else:
            print_versions(Console(), found)
