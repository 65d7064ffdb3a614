"""`clipwarden status`: what is queued, how far it is, what failed, and who is at work."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from clipwarden.cli.options import (
    BlobUrl,
    Data,
    DatabaseUrl,
    Format,
    FormatOption,
    OptionalIds,
    named_folder,
    store_environment,
)
from clipwarden.cli.output import writing_stdout
from clipwarden.cli.status_view import overview_view, standing_words
from clipwarden.joining import joined_stores
from clipwarden.overview import (
    Overview,
    Selection,
    SubmissionInfo,
    count_unfinished,
    full_ids,
    read_overview,
)
from ingest.media.check import displayed_name
from ingest.stores import Stores
from ingest.tables import Status

_WATCH_S = 0.5

# What reads a pipe wants lines whole.
_PIPE_COLUMNS = 10_000

Watch = Annotated[
    bool, typer.Option("--watch", "-w", help="Go on telling until all of them have ended.")
]
State = Annotated[
    Status | None,
    typer.Option("--state", help="Only those of this status.", show_default=False),
]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many of the newest are told of.")]


def status(
    ids: OptionalIds = None,
    watch: Watch = False,
    state: State = None,
    limit: Limit = 20,
    output_format: FormatOption = Format.TABLE,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
) -> None:
    """Tell how submissions stand, and without ids how the whole installation does.

    `--state failed` is the list of what was given up, each with its code, reason and cure.
    With `--watch` a pipe gets one line, or one JSON object, whenever a submission has changed.

    JSON has the keys `schema`, `counts` by status, `queues` by role (`waiting`, `running`,
    `scheduled` for another try, `dead`), `workers` (`name`, `role`, `host`, `state`, `paused`,
    `jobs_done`, `model`, `device`, `precision`, `device_name`, `software`, `centred_cosine`) and
    `submissions`: `id`, `source`, `status`, `priority`, `model`, `model_key`, `model_served`,
    `sampling`, `media_sha256`, `host`, `created_at`, `finished_at`, `progress`
    (`frames_sampled`, `frames_embedded`, `frames_estimated`, `frames_per_s`, `left_s`; null once
    ended) and `error` (`code`, `message`, `cure`, or null).

    Examples:

      clipwarden status

      clipwarden status --watch 3f2a91bc

      clipwarden status --state failed --format json
    """
    if ids and state is not None:
        raise typer.BadParameter("name submissions, or a --state, not both.")
    with joined_stores(named_folder(data), store_environment(database_url, blob_url)) as stores:
        selection = Selection(full_ids(stores.database, ids or ()), state, limit)
        if not watch:
            _print(read_overview(stores, selection), selection, output_format)
        elif output_format is Format.TABLE and Console().is_terminal:
            _watch_live(stores, selection)
        else:
            _watch_lines(stores, selection, output_format)


def _print(overview: Overview, selection: Selection, output_format: Format) -> None:
    with writing_stdout():
        if output_format is Format.JSON:
            sys.stdout.write(overview.model_dump_json(by_alias=True, indent=2) + "\n")
            return
        console = Console()
        if not console.is_terminal:
            console.width = _PIPE_COLUMNS
        with console.capture() as capture:
            console.print(overview_view(overview, console.width, with_summary=not selection.ids))
        for line in capture.get().splitlines():
            sys.stdout.write(f"{line.rstrip()}\n")


def _watch_live(stores: Stores, selection: Selection) -> None:
    console = Console()

    def view() -> tuple[Overview, bool]:
        overview = read_overview(stores, selection)
        live.update(
            overview_view(overview, console.width, with_summary=not selection.ids), refresh=True
        )
        return overview, _is_over(stores, selection, overview)

    with Live(console=console, auto_refresh=False) as live:
        while not view()[1]:
            time.sleep(_WATCH_S)


def _watch_lines(stores: Stores, selection: Selection, output_format: Format) -> None:
    told: dict[str, str] = {}
    while True:
        overview = read_overview(stores, selection)
        for one in reversed(overview.submissions):
            line = _line(one, output_format)
            if told.get(one.id) != line:
                told[one.id] = line
                with writing_stdout():
                    sys.stdout.write(f"{line}\n")
        if _is_over(stores, selection, overview):
            return
        time.sleep(_WATCH_S)


def _is_over(stores: Stores, selection: Selection, overview: Overview) -> bool:
    """Whether all that are named have ended or, without names, all there are."""
    return overview.is_settled and (bool(selection.ids) or not count_unfinished(stores.database))


def _line(one: SubmissionInfo, output_format: Format) -> str:
    if output_format is Format.JSON:
        return one.model_dump_json()
    words = f"{one.id}  {one.status}  {displayed_name(one.source)}  {standing_words(one)}"
    return " ".join(words.rstrip().split("\n"))
