"""`clipwarden export`: results in the formats of other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from clipwarden.cli.errors import EXIT_FAILED, EXIT_SOME_INPUTS_FAILED, print_error
from clipwarden.cli.label_option import require_known
from clipwarden.cli.options import BlobUrl, Data, DatabaseUrl, named_folder, store_environment
from clipwarden.cli.output import ResultFormat, Results
from clipwarden.cli.picture_words import tell
from clipwarden.exports.frame_rates import MAX_FPS, MIN_FPS
from clipwarden.exports.reading import read_documents
from clipwarden.exports.selection import select_segments, unknown_labels
from clipwarden.installation import StoreEnvironment
from clipwarden.stored_results import result_stores
from ingest.errors import BlobCorrupt, BlobMissing
from ingest.media.check import displayed_name
from ingest.stores import Stores
from ingest.submissions import find_submission
from ingest.tables import DEFAULT_TENANT
from prompts.errors import ClipwardenError
from prompts.loader import load_prompt_set, shipped_prompt_sets
from prompts.schema import PromptSet
from worker.document import ResultDocument
from worker.results import read_document
from worker.texts import load_stored_prompt_set

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
    others are exported. 2: the command line is wrong, or names a label that is none. 3: the
    analysis of some had failed.

    Examples:

      clipwarden export --format csv --output segments.csv 3f2a91bc 77aa01de

      clipwarden export --format vtt --output subtitles/ results/*.json

      clipwarden export --format edl --label violence --min-confidence 0.8 -o cuts.edl film.json

      clipwarden export --format fcpxml --fps 29.97 --output clip.fcpxml result.json
    """
    rate = None if fps is None else _rate(fps)
    names = list(dict.fromkeys(results))
    environment, sets = store_environment(database_url, blob_url), _shipped_sets() if label else {}
    found, failures = _documents(names, data, environment, sets)
    _check_labels(label or (), found, sets)
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


def _shipped_sets() -> dict[str, PromptSet]:
    loaded = map(load_prompt_set, shipped_prompt_sets())
    return {one.sha256: one for one in loaded}


def _check_labels(
    labels: Sequence[str], documents: Sequence[ResultDocument], sets: Mapping[str, PromptSet]
) -> None:
    """A usage error for a label that is none; a warning where only the prompt set could say so."""
    unknown, known, are_all = unknown_labels(labels, documents, sets)
    if documents and are_all:
        require_known(unknown, known)
    for one in unknown if documents else ():
        tell(f"warning: no segment is of the label {displayed_name(one)}.")


def _documents(
    names: Sequence[str],
    data: Path | None,
    environment: StoreEnvironment,
    sets: dict[str, PromptSet],
) -> tuple[list[ResultDocument], int]:
    """The documents in the order of their names, and how many names stand for none; those are told.

    Stores are opened where an id is named, and not for files alone; a submission that is named
    twice counts once. Prompt sets that are stored are added to `sets`, by their hash.
    """
    documents: list[ResultDocument] = []
    submissions: set[str] = set()
    failures = 0
    with ExitStack() as stack:
        are_files = [_is_file(name) for name in names]
        stores = None
        if not all(are_files):
            stores = stack.enter_context(result_stores(named_folder(data), environment))
        for name, is_file in zip(names, are_files, strict=True):
            try:
                if is_file or stores is None:
                    documents += read_documents(Path(name))
                    continue
                row = find_submission(stores.database, DEFAULT_TENANT, name)
                if row.id not in submissions:
                    document = read_document(stores, DEFAULT_TENANT, row.id)
                    _add_sets(sets, stores, document)
                    documents.append(document)
                    submissions.add(row.id)
            except ClipwardenError as error:
                print_error(error)
                failures += 1
    return documents, failures


def _add_sets(sets: dict[str, PromptSet], stores: Stores, document: ResultDocument) -> None:
    for one in document.prompt_sets:
        if one.sha256 not in sets:
            # One that is lost keeps nobody from exporting segments.
            with suppress(BlobMissing, BlobCorrupt):
                sets[one.sha256] = load_stored_prompt_set(stores, DEFAULT_TENANT, one.sha256)


def _is_file(name: str) -> bool:
    path = Path(name)
    try:
        return path.suffix.lower() in _FILE_SUFFIXES or "/" in name or path.is_file()
    except OSError:
        # No file system takes such a name.
        return False


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
