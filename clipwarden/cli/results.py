"""`clipwarden results`: the result documents of submissions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from clipwarden.cli.errors import EXIT_FAILED, EXIT_SOME_INPUTS_FAILED, print_error
from clipwarden.cli.figures import progress_words
from clipwarden.cli.options import (
    BlobUrl,
    Data,
    DatabaseUrl,
    Ids,
    Quiet,
    named_folder,
    store_environment,
)
from clipwarden.cli.output import Output, OutputFormat, ResultFormat, Results
from clipwarden.cli.progress import ProgressBars
from clipwarden.errors import SubmissionUnfinished
from clipwarden.following import Pending, follow
from clipwarden.joining import joined_stores
from clipwarden.overview import ProgressInfo
from clipwarden.rescoring.versions import named_version
from clipwarden.stored_results import result_stores
from ingest.queue.gate import Gate
from ingest.stores import Stores
from ingest.submissions import find_submission
from ingest.tables import DEFAULT_TENANT, Status, Submission
from ingest.works import work_of
from prompts.errors import ClipwardenError
from worker.document import ResultDocument
from worker.results import read_document
from worker.versions import Version

Wait = Annotated[bool, typer.Option("--wait", help="Wait for those that have not ended.")]
OtherVersion = Annotated[
    str | None,
    typer.Option(
        "--version",
        metavar="PROMPTS[:CALIBRATION]",
        help="Another stored version than the video's own; `clipwarden diff` lists them.",
        show_default=False,
    ),
]


def results(
    ids: Ids,
    output_format: OutputFormat = ResultFormat.TABLE,
    output: Output = None,
    wait: Wait = False,
    version: OtherVersion = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
    quiet: Quiet = False,
) -> None:
    """Print the results of submissions, as `clipwarden analyze` prints them.

    Exit status 0: all have results. 1: an id is unknown, or has not ended; the others are printed.
    3: the analysis of some had failed, the others' results stand.

    Examples:

      clipwarden results 3f2a91bc

      clipwarden results --wait --format json 3f2a91bc > result.json

      clipwarden results --version moderation@2:none 3f2a91bc
    """
    written = Results.prepare(output_format, output, len(ids))
    # Waiting is for a service alone: nobody else would end it.
    opened = joined_stores if wait else result_stores
    with opened(named_folder(data), store_environment(database_url, blob_url)) as stores:
        versions = None if version is None else [named_version(stores, DEFAULT_TENANT, version)]
        rows, failures = _rows(stores, ids)
        if wait:
            _wait(stores, rows, quiet=quiet)
        documents: list[ResultDocument] = []
        for row in rows:
            try:
                document = _document(stores, row, versions)
            except ClipwardenError as error:
                print_error(error)
                failures += 1
                continue
            documents.append(document)
            written.add(document)
        written.finish(documents)
    if failures:
        raise typer.Exit(EXIT_FAILED)
    if any(one.status == "failed" for one in documents):
        raise typer.Exit(EXIT_SOME_INPUTS_FAILED)


def _rows(stores: Stores, ids: Sequence[str]) -> tuple[list[Submission], int]:
    """The submissions, each once, and how many ids stand for none; those are told."""
    rows: dict[str, Submission] = {}
    failures = 0
    for one in ids:
        try:
            row = find_submission(stores.database, DEFAULT_TENANT, one)
        except ClipwardenError as error:
            print_error(error)
            failures += 1
        else:
            rows[row.id] = row
    return list(rows.values()), failures


def _wait(stores: Stores, rows: Sequence[Submission], *, quiet: bool) -> None:
    pending = [
        Pending(index, row.source, row.id, work_of(row))
        for index, row in enumerate(rows)
        if row.status == Status.QUEUED
    ]
    with ProgressBars(len(pending), quiet=quiet or not pending) as bars:
        bars.starting()
        bars.ready()
        for _ in follow(stores, pending, bars):
            pass


def _document(
    stores: Stores, row: Submission, versions: Sequence[Version] | None
) -> ResultDocument:
    row = find_submission(stores.database, DEFAULT_TENANT, row.id)
    if Status(row.status).is_final:
        return read_document(stores, DEFAULT_TENANT, row.id, versions)
    progress = ProgressInfo.of(Gate(stores.redis, work_of(row)).progress())
    raise SubmissionUnfinished(
        f"submission {row.id} has no result yet: {progress_words(progress)}.",
        f"Wait for it: clipwarden results --wait {row.id}",
    )
