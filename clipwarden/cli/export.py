"""`clipwarden export`: results in the formats of other programs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from clipwarden.cli.errors import EXIT_FAILED, EXIT_SOME_INPUTS_FAILED, print_error
from clipwarden.cli.options import BlobUrl, Data, DatabaseUrl, named_folder, store_environment
from clipwarden.cli.output import ResultFormat, Results
from clipwarden.exports.frame_rates import MAX_FPS, MIN_FPS
from clipwarden.exports.reading import read_documents
from clipwarden.exports.selection import select_segments
from clipwarden.installation import StoreEnvironment
from clipwarden.joining import joined_stores
from ingest.submissions import find_submission
from ingest.tables import DEFAULT_TENANT
from prompts.errors import ClipwardenError
from worker.document import ResultDocument
from worker.results import read_document

_FILE_SUFFIXES = (".json", ".jsonl")


class ExportFormat(StrEnum):
    """How results are exported."""

    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    VTT = "vtt"
    SRT = "srt"
    EDL = "edl"
    FCPXML = "fcpxml"
    OTIO = "otio"


ResultNames = Annotated[
    list[str],
    typer.Argument(
        metavar="ID|FILE",
        help="Submissions, by their ids or the beginning of them; JSON files of results.",
        show_default=False,
    ),
]
Format = Annotated[
    ExportFormat,
    typer.Option(
        "--format",
        "-f",
        help="JSON, JSON lines, a table (csv, parquet), subtitles (vtt, srt), or for video "
        "editors (edl, fcpxml, otio).",
        show_default=False,
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|FOLDER/|-",
        help="Write to this file, or one file per result into this folder/; - is stdout.",
        show_default=False,
    ),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        "-l",
        help="Only segments of this label or of those below it; give it again for more.",
        show_default=False,
    ),
]
MinConfidence = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Only segments at least this sure.")
]
Fps = Annotated[
    str | None,
    typer.Option(
        metavar="RATE",
        help="Frames per second, such as 25, 29.97 or 30000/1001, where the result's own are "
        "unknown or wrong; for edl, fcpxml, otio.",
        show_default=False,
    ),
]


def export(
    results: ResultNames,
    export_format: Format,
    output: Output,
    label: Labels = None,
    min_confidence: MinConfidence = 0.0,
    fps: Fps = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
) -> None:
    """Export results: for spreadsheets, players, video editors.

    CSV and Parquet have a row per segment. WebVTT and SRT have a cue per segment. EDL (CMX 3600)
    is a cut list of the segments, end to end. FCPXML and OTIO are one clip of the whole video with
    a marker, and in FCPXML a keyword's range, per segment.

    Exit status 0: all are exported. 1: a result is unknown, unfinished or can't be written so; the
    others are exported. 2: the command line is wrong. 3: the analysis of some had failed.

    Examples:

      clipwarden export --format csv --output segments.csv 3f2a91bc 77aa01de

      clipwarden export --format vtt --output subtitles/ results/*.json

      clipwarden export --format edl --label violence --min-confidence 0.8 -o cuts.edl film.json

      clipwarden export --format fcpxml --fps 29.97 --output clip.fcpxml result.json
    """
    rate = None if fps is None else _rate(fps)
    names = list(dict.fromkeys(results))
    found, failures = _documents(names, data, store_environment(database_url, blob_url))
    documents = [select_segments(one, label or (), min_confidence) for one in found]
    if documents:
        # How many there are is known only now: a file may hold many.
        inputs = len(documents) + failures
        written = Results.prepare(ResultFormat(export_format), output, inputs, rate)
        for document in documents:
            written.add(document)
        written.finish(documents)
    if failures:
        raise typer.Exit(EXIT_FAILED)
    if any(one.status == "failed" for one in documents):
        raise typer.Exit(EXIT_SOME_INPUTS_FAILED)


def _documents(
    names: Sequence[str], data: Path | None, environment: StoreEnvironment
) -> tuple[list[ResultDocument], int]:
    """The documents in the order of their names, and how many names stand for none; those are told.

    Stores are opened where an id is named, and not for files alone; a submission that is named
    twice counts once.
    """
    documents: list[ResultDocument] = []
    submissions: set[str] = set()
    failures = 0
    with ExitStack() as stack:
        are_files = [_is_file(name) for name in names]
        stores = None
        if not all(are_files):
            stores = stack.enter_context(joined_stores(named_folder(data), environment))
        for name, is_file in zip(names, are_files, strict=True):
            try:
                if is_file or stores is None:
                    documents += read_documents(Path(name))
                    continue
                row = find_submission(stores.database, DEFAULT_TENANT, name)
                if row.id not in submissions:
                    documents.append(read_document(stores, DEFAULT_TENANT, row.id))
                    submissions.add(row.id)
            except ClipwardenError as error:
                print_error(error)
                failures += 1
    return documents, failures


def _is_file(name: str) -> bool:
    path = Path(name)
    return path.suffix.lower() in _FILE_SUFFIXES or "/" in name or path.is_file()


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not MIN_FPS <= rate <= MAX_FPS:
        raise typer.BadParameter(
            f"{text!r} is no frame rate: write 25, 29.97 or 30000/1001.", param_hint="--fps"
        )
    return rate
