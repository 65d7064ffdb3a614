"""`clipwarden cancel`, `retry` and `repair`: what is asked of submissions that are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from sqlalchemy import select

from clipwarden.cli.errors import EXIT_FAILED, print_error
from clipwarden.cli.options import (
    BlobUrl,
    Data,
    DatabaseUrl,
    Ids,
    OptionalIds,
    named_folder,
    store_environment,
)
from clipwarden.joining import joined_stores
from ingest.database import Database
from ingest.endings import cancel as cancel_submission
from ingest.endings import retry as retry_submission
from ingest.media.check import displayed_name
from ingest.repair import repair as repair_queue
from ingest.stores import Stores
from ingest.submissions import find_submission
from ingest.tables import DEFAULT_TENANT, Status, Submission
from ingest.works import IsEmbedded
from prompts.errors import ClipwardenError
from worker.results import is_embedded
from worker.texts import request_text_vectors

AllFailed = Annotated[bool, typer.Option("--all-failed", help="Everything that failed.")]

Act = Callable[[Stores, str], None]


def cancel(
    ids: Ids, data: Data = None, database_url: DatabaseUrl = None, blob_url: BlobUrl = None
) -> None:
    """Cancel submissions: when this returns, nothing of them runs any more.

    What others submitted of the same content goes on.

    Exit status 0: all are cancelled. 1: one is unknown or had ended; the others are cancelled.

    Example: clipwarden cancel 3f2a91bc
    """
    with joined_stores(named_folder(data), store_environment(database_url, blob_url)) as stores:
        _each(stores, ids, "cancelled", _cancel)


def retry(
    ids: OptionalIds = None,
    all_failed: AllFailed = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
) -> None:
    """Try failed or cancelled submissions again, under the same ids.

    What was stored of them by then is not computed again.

    Exit status 0: all are queued. 1: one is unknown or neither failed nor cancelled.

    Examples:

      clipwarden retry 3f2a91bc

      clipwarden retry --all-failed
    """
    if bool(ids) == all_failed:
        raise typer.BadParameter("name submissions, or say --all-failed.")
    with joined_stores(named_folder(data), store_environment(database_url, blob_url)) as stores:
        chosen = _failed_ids(stores.database) if all_failed else ids or ()
        if not chosen:
            typer.echo("nothing has failed")
        _each(stores, chosen, "queued", try_again)


def repair(data: Data = None, database_url: DatabaseUrl = None, blob_url: BlobUrl = None) -> None:
    """Put every unfinished submission that the queue server lost back on the queue.

    A running service does so by itself once a minute; it is harmless at any time.

    Example: clipwarden repair
    """
    with joined_stores(named_folder(data), store_environment(database_url, blob_url)) as stores:
        repaired = repair_queue(stores, _embedded_in(stores))
    for submission_id in repaired.lost:
        typer.echo(f"{submission_id}  queued again")
    typer.echo(f"{repaired.unfinished} unfinished, {len(repaired.lost)} of them were lost")


def _each(stores: Stores, ids: Sequence[str], done: str, act: Act) -> None:
    """Do something to each submission; one that fails is told and keeps no other from it."""
    failures = 0
    for one in ids:
        try:
            row = find_submission(stores.database, DEFAULT_TENANT, one)
            act(stores, row.id)
        except ClipwardenError as error:
            print_error(error)
            failures += 1
        else:
            typer.echo(f"{row.id}  {done}  {displayed_name(row.source)}")
    if failures:
        raise typer.Exit(EXIT_FAILED)


def _cancel(stores: Stores, submission_id: str) -> None:
    cancel_submission(stores, DEFAULT_TENANT, submission_id, _embedded_in(stores))


def try_again(stores: Stores, submission_id: str) -> None:
    """Set a submission out anew, and ask anew for text vectors that could not be made for it.

    Raises SubmissionNotFound, SubmissionNotEnded.
    """
    row = find_submission(stores.database, DEFAULT_TENANT, submission_id)
    # An asking that failed is kept for days, and fails every finish that needs it.
    for sha256 in row.prompt_sets:
        request_text_vectors(stores, DEFAULT_TENANT, row.model_key, sha256)
    retry_submission(stores, DEFAULT_TENANT, submission_id, _embedded_in(stores))


def _embedded_in(stores: Stores) -> IsEmbedded:
    return lambda work: is_embedded(stores, work)


def _failed_ids(database: Database) -> list[str]:
    query = select(Submission.id).where(
        Submission.tenant == DEFAULT_TENANT, Submission.status == Status.FAILED
    )
    with database.read() as session:
        return list(session.scalars(query.order_by(Submission.created_at)))
