"""`clipwarden submit`: files in, and left to the installation that is running."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from clipwarden.cli.errors import EXIT_SOME_INPUTS_FAILED, print_error
from clipwarden.cli.options import (
    DEFAULT_PROMPTS,
    DEFAULT_SAMPLING,
    BlobUrl,
    Data,
    DatabaseUrl,
    Format,
    FormatOption,
    HostName,
    Paths,
    Prompts,
    Quiet,
    Sample,
    named_folder,
    store_environment,
)
from clipwarden.cli.output import writing_stdout
from clipwarden.cli.progress import ProgressBars
from clipwarden.cli.reading import ReadingBar
from clipwarden.following import Pending, follow
from clipwarden.installation import host_name as this_host
from clipwarden.intake import Accepted, Request, accept, prepare, source_name
from clipwarden.joining import joined_stores
from clipwarden.sampling_hosts import samples_on
from clipwarden.served_models import ChosenModel, choose_model
from ingest.errors import MediaError
from ingest.media.check import displayed_name
from ingest.media.spec import SamplingSpec
from ingest.queue.names import Priority
from ingest.stores import Stores
from ingest.submissions import find_submission
from ingest.tables import DEFAULT_TENANT, Status
from prompts.errors import ClipwardenError
from prompts.loader import load_prompt_set

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="A hub id, a local folder, or `starter`; by default the one that is served.",
        show_default=False,
    ),
]
PriorityOption = Annotated[
    Priority, typer.Option("--priority", help="A higher one goes before all of a lower one.")
]
InPlaceOption = Annotated[
    bool,
    typer.Option("--in-place", help="Copy nothing: this host samples the files where they are."),
]
Token = Annotated[
    str | None,
    typer.Option(
        min=1,
        help="Your own name for this request: the same one again submits nothing twice.",
        show_default=False,
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="Return when all of them have ended.")]


@dataclass(frozen=True)
class Outcome:
    """What became of one input, as JSON has it; refused ones have no id."""

    id: str | None
    source: str
    status: str
    is_new: bool
    media_sha256: str | None
    error: dict[str, str] | None


def submit(
    paths: Paths,
    prompts: Prompts = [DEFAULT_PROMPTS],  # noqa: B006 - read only, and Typer shows it
    model: Model = None,
    sample: Sample = DEFAULT_SAMPLING,
    priority: PriorityOption = Priority.NORMAL,
    in_place: InPlaceOption = False,
    token: Token = None,
    wait: Wait = False,
    output_format: FormatOption = Format.TABLE,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
    host_name: HostName = None,
    quiet: Quiet = False,
) -> None:
    """Leave videos to the running installation; print the id of each, then return.

    A file is copied into the blob store, once per content, so that it may be moved or deleted
    afterwards. JSON is one object for one input, an array for several: `id`, `source`, `status`,
    `is_new`, `media_sha256`, `error`.

    Exit status 0: all are submitted, and with --wait analysed. 2: the command line, a prompt set
    or the model is wrong, nothing was done. 3: some inputs failed, the others stand.

    Examples:

      clipwarden submit upload.mp4

      clipwarden submit --priority high --prompts scenes --wait news.mp4

      clipwarden submit --in-place --format json archive/*.mkv
    """
    if token is not None and len(paths) > 1:
        raise typer.BadParameter("--token names one request: give one PATH with it.")
    sampling = SamplingSpec.parse(sample)
    prompt_sets = tuple(load_prompt_set(name) for name in dict.fromkeys(prompts))
    with joined_stores(named_folder(data), store_environment(database_url, blob_url)) as stores:
        chosen = choose_model(stores.redis, model)
        request = Request(
            model=chosen.card,
            sampling=sampling,
            prompt_sets=prompt_sets,
            priority=priority,
            in_place_on=this_host(host_name) if in_place else None,
            request_token=token,
        )
        _warn(stores, chosen, request.in_place_on)
        intake = _Submissions(stores, request, output_format)
        try:
            intake.accept_all(paths, quiet=quiet)
            if wait:
                intake.wait(quiet=quiet)
        finally:
            # What is submitted is worked on, whatever ended this command.
            intake.print_json(len(paths))
    if intake.some_failed:
        raise typer.Exit(EXIT_SOME_INPUTS_FAILED)


class _Submissions:
    """The inputs of one command, each with what became of it."""

    def __init__(self, stores: Stores, request: Request, output_format: Format) -> None:
        self._stores = stores
        self._request = request
        self._format = output_format
        self._outcomes: list[Outcome] = []
        self._pending: list[Pending] = []

    @property
    def some_failed(self) -> bool:
        """Whether an input was refused or, as far as was waited for it, failed."""
        return any(one.error is not None for one in self._outcomes)

    def accept_all(self, paths: Sequence[Path], *, quiet: bool) -> None:
        """Submit each; a bad one fails alone, with a line on stderr."""
        prepare(self._stores, self._request)
        copies = self._request.in_place_on is None
        with ReadingBar(paths, quiet=quiet, is_read_twice=copies) as bar:
            for path in paths:
                bar.begin(path)
                try:
                    accepted = accept(self._stores, self._request, path, bar.on_read)
                except MediaError as error:
                    with bar.lifted():
                        print_error(error)
                    self._outcomes.append(_refused(path, error))
                else:
                    with bar.lifted():
                        self._add(accepted)

    def wait(self, *, quiet: bool) -> None:
        """Wait until all have ended, and tell how as they do."""
        ended: list[Outcome] = []
        # Bars and lines can't share a terminal.
        at_once = quiet or not sys.stdout.isatty()
        with ProgressBars(len(self._pending), quiet=quiet) as bars:
            bars.starting()
            bars.ready()
            for entry in follow(self._stores, self._pending, bars):
                outcome = _standing(self._stores, self._outcomes[entry.index])
                self._outcomes[entry.index] = outcome
                if at_once:
                    self._print(outcome, is_end=True)
                else:
                    ended.append(outcome)
        for outcome in ended:
            self._print(outcome, is_end=True)

    def print_json(self, inputs: int) -> None:
        """Print everything at once where JSON is asked for."""
        if self._format is Format.JSON and self._outcomes:
            found = [asdict(one) for one in self._outcomes]
            with writing_stdout():
                text = json.dumps(found[0] if inputs == 1 else found, indent=2)
                sys.stdout.write(f"{text}\n")

    def _add(self, accepted: Accepted) -> None:
        outcome = Outcome(
            id=accepted.submission_id,
            source=accepted.source,
            status=Status.QUEUED,
            is_new=accepted.is_new,
            media_sha256=accepted.work.media_sha256,
            error=None,
        )
        if not accepted.is_new:
            outcome = _standing(self._stores, outcome)
        index = len(self._outcomes)
        self._outcomes.append(outcome)
        if outcome.status == Status.QUEUED:
            self._pending.append(
                Pending(index, accepted.source, accepted.submission_id, accepted.work)
            )
        self._print(outcome)

    def _print(self, outcome: Outcome, *, is_end: bool = False) -> None:
        if self._format is not Format.TABLE:
            return
        words = f"{outcome.id}  {outcome.status}  {displayed_name(outcome.source)}"
        if not outcome.is_new and not is_end:
            words += "  (submitted before with this token)"
        if outcome.error is not None:
            words += f"  [{outcome.error['code']}] {outcome.error['message']}"
        with writing_stdout():
            sys.stdout.write(f"{words}\n")


def _warn(stores: Stores, chosen: ChosenModel, host: str | None) -> None:
    """Say what the submissions will wait for."""
    if not chosen.is_served:
        typer.echo(
            f"warning: no process holds {chosen.card.id} now; what is submitted waits until one "
            "does.",
            err=True,
        )
    if host is not None and not samples_on(stores.redis, host):
        typer.echo(
            f"warning: no sampling process is at work on this host ({host}); what stays in place "
            "waits until one is.",
            err=True,
        )


def _refused(path: Path, error: ClipwardenError) -> Outcome:
    return Outcome(
        id=None,
        source=source_name(path),
        status=Status.FAILED,
        is_new=False,
        media_sha256=None,
        error={"code": error.code, "message": error.message, "cure": error.cure},
    )


def _standing(stores: Stores, outcome: Outcome) -> Outcome:
    """The outcome with what is recorded by now."""
    assert outcome.id is not None
    row = find_submission(stores.database, DEFAULT_TENANT, outcome.id)
    error = None
    if row.error_code is not None:
        error = {
            "code": row.error_code,
            "message": row.error_message or "",
            "cure": row.error_cure or "",
        }
    return replace(outcome, status=row.status, error=error)
