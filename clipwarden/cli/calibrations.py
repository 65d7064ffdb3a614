"""`clipwarden calibrations`: list what is stored, put one in use, or score without."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clipwarden.calibration.errors import CalibrationUnknown
from clipwarden.calibration.storing import joined_or_own_stores
from clipwarden.cli.options import (
    BlobUrl,
    Data,
    DatabaseUrl,
    Format,
    FormatOption,
    named_folder,
    store_environment,
)
from clipwarden.cli.output import writing_stdout
from clipwarden.report.wording import short_hash
from ingest.stores import Stores
from ingest.tables import DEFAULT_TENANT
from prompts.calibration import MAX_BYTES, Calibration
from prompts.errors import InvalidCalibration
from worker.calibrations import (
    StoredCalibration,
    deactivate_calibrations,
    list_calibrations,
    load_calibration,
    store_calibration,
)

app = typer.Typer(
    help="Calibrations: what is stored, and which are in use.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_HASH_LETTERS = set("0123456789abcdef")

Which = Annotated[
    str,
    typer.Argument(
        metavar="HASH|FILE",
        help="A stored calibration by its hash or the beginning of it, or a file.",
        show_default=False,
    ),
]


@app.command("list")
def list_stored(
    output_format: FormatOption = Format.TABLE,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
) -> None:
    """List the calibrations that are stored, the newest of each model and prompt set first.

    Example: clipwarden calibrations list --format json
    """
    with joined_or_own_stores(named_folder(data), store_environment(database_url, blob_url)) as (
        stores
    ):
        found = list_calibrations(stores, DEFAULT_TENANT)
    with writing_stdout():
        if output_format is Format.JSON:
            sys.stdout.write(json.dumps([_fields(one) for one in found], indent=2) + "\n")
            return
        table = Table(box=None, padding=(0, 2, 0, 0))
        for name in ("calibration", "prompt set", "model key", "made", "in use"):
            table.add_column(name, no_wrap=name == "calibration")
        for one in found:
            made, use = f"{one.created_at:%Y-%m-%d %H:%M}", "yes" if one.is_active else "no"
            row = (short_hash(one.sha256), one.prompt_set, one.model_key, made, use)
            table.add_row(*map(escape, row))
        Console().print(table)


@app.command("use")
def use(
    which: Which,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
) -> None:
    """Score new results with a calibration: one that is stored, or a file, which is stored first.

    Results that are stored already stay as they are until they are scored again.

    Examples: clipwarden calibrations use 0f8413d7; clipwarden calibrations use mine.json
    """
    with joined_or_own_stores(named_folder(data), store_environment(database_url, blob_url)) as (
        stores
    ):
        calibration = _named(stores, which)
        store_calibration(stores, DEFAULT_TENANT, calibration, activate=True)
    typer.echo(f"{short_hash(calibration.sha256)} is in use {_for(calibration)}.")


@app.command("drop")
def drop(
    which: Which,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
) -> None:
    """Score new results without a calibration again, for the model and set that one was for.

    It stays stored, for results name it.

    Example: clipwarden calibrations drop 0f8413d7
    """
    with joined_or_own_stores(named_folder(data), store_environment(database_url, blob_url)) as (
        stores
    ):
        calibration = _named(stores, which)
        was_used = deactivate_calibrations(
            stores, DEFAULT_TENANT, calibration.model_key, calibration.prompt_set
        )
    words = "no calibration is in use" if was_used else "none was in use"
    typer.echo(f"{words} {_for(calibration)}.")


def _named(stores: Stores, which: str) -> Calibration:
    """The calibration of a hash or in a file; raises CalibrationUnknown, InvalidCalibration."""
    if Path(which).suffix:
        return _read(which)
    known = [one.sha256 for one in list_calibrations(stores, DEFAULT_TENANT)]
    found = [
        one for one in known if which and set(which) <= _HASH_LETTERS and one.startswith(which)
    ]
    if len(found) != 1:
        raise CalibrationUnknown(
            f"{len(found) or 'no'} stored calibrations have a hash that begins with {which!a}.",
            "`clipwarden calibrations list` shows them all.",
        )
    return load_calibration(stores, DEFAULT_TENANT, found[0])


def _read(name: str) -> Calibration:
    try:
        with Path(name).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidCalibration(f"{name!a} can't be read: {reason}.", "Name a file.") from error
    return Calibration.parse(content, name)


def _for(calibration: Calibration) -> str:
    return f"for {calibration.prompt_set} on {calibration.model_id} ({calibration.model_key})"


def _fields(one: StoredCalibration) -> dict[str, Any]:
    return {
        "sha256": one.sha256,
        "prompt_set": one.prompt_set,
        "model_key": one.model_key,
        "created_at": one.created_at.isoformat(),
        "is_active": one.is_active,
    }
