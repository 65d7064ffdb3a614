"""`clipwarden purge`: a video and everything that was made of it, gone at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from clipwarden.cli.errors import EXIT_FAILED, print_error
from clipwarden.cli.options import BlobUrl, Data, DatabaseUrl, named_folder, store_environment
from clipwarden.errors import PurgeUnconfirmed
from clipwarden.joining import joined_stores
from clipwarden.purging import Doomed, find_doomed, purge_doomed
from clipwarden.report.wording import count
from ingest.media.check import displayed_name
from ingest.stores import Stores
from prompts.errors import ClipwardenError

Names = Annotated[
    list[str],
    typer.Argument(
        metavar="ID_OR_SHA256",
        help="Submissions by their ids, or contents by their hashes.",
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]


def purge(
    names: Names,
    yes: Yes = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
) -> None:
    """Delete videos and all that was made of them: for every submission of the same content.

    Copies, frames, evidence pictures, embeddings, scores, results, submissions, and reports in the
    data folder that show them, whole. What is being worked on is cancelled first. Your own files,
    and reports and results that you had written elsewhere, stay.

    Exit status 0: all are gone. 1: one is unknown, or nobody confirmed.

    Examples:

      clipwarden purge 3f2a91bc

      clipwarden purge --yes 9e107d9d372bb6826bd81d3542a419d6e4d1f0c3b5f2a7c8d9e0f1a2b3c4d5e6
    """
    folder = named_folder(data)
    with joined_stores(folder, store_environment(database_url, blob_url)) as stores:
        doomed: dict[str, Doomed] = {}
        failures = 0
        for name in names:
            try:
                found = find_doomed(stores, folder.reports, name)
            except ClipwardenError as error:
                print_error(error)
                failures += 1
            else:
                doomed[found.media_sha256] = found
        if doomed:
            _confirm(tuple(doomed.values()), yes=yes)
        failures += _purge(stores, tuple(doomed.values()))
    if failures:
        raise typer.Exit(EXIT_FAILED)


def _purge(stores: Stores, doomed: Sequence[Doomed]) -> int:
    failures = 0
    for one in doomed:
        try:
            purge_doomed(stores, one)
        except ClipwardenError as error:
            print_error(error)
            failures += 1
        else:
            typer.echo(f"{one.media_sha256}  purged")
    return failures


def _confirm(doomed: Sequence[Doomed], *, yes: bool) -> None:
    for one in doomed:
        typer.echo(_words(one), err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise PurgeUnconfirmed(
            "nobody can be asked whether this is to be deleted.", "Say so with --yes."
        )
    if not typer.confirm("Delete this for good?", err=True):
        raise PurgeUnconfirmed("nothing was deleted.", "Answer y, or say --yes, to delete it.")


def _words(one: Doomed) -> str:
    names = ", ".join(displayed_name(source) for source in one.sources) or "no submission left"
    words = f"{one.media_sha256}: {count(len(one.submission_ids), 'submission')}: {names}"
    if one.reports:
        # A report shows all inputs of its run: others' results in it go too.
        words += f"; reports: {', '.join(path.name for path in one.reports)}"
    return words
