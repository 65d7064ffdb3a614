"""`clipwarden submit`: files in, and left to the installation that is running."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from clipwarden.calibration_choice import AUTO, CalibrationChoice
from clipwarden.cli.errors import EXIT_SOME_INPUTS_FAILED, print_error
from clipwarden.cli.inputs import Inputs, named_inputs, watched_folders
from clipwarden.cli.limits import fetch_limits
from clipwarden.cli.options import (
    DEFAULT_MAX_BYTES,
    DEFAULT_PROMPTS,
    DEFAULT_SAMPLING,
    AllowPrivate,
    BlobUrl,
    CalibrationOption,
    CropOption,
    Data,
    DatabaseUrl,
    Format,
    FormatOption,
    HostName,
    MaxBytes,
    NoClassifiers,
    Paths,
    PrecisionName,
    PrecisionOption,
    Prompts,
    Quiet,
    Sample,
    check_precision_has_model,
    named_folder,
    store_environment,
)
from clipwarden.cli.outcomes import Outcome, print_line, refused, standing, submitted
from clipwarden.cli.output import writing_stdout
from clipwarden.cli.progress import ProgressBars
from clipwarden.cli.prompt_sets import named_prompt_sets
from clipwarden.cli.reading import ReadingBar
from clipwarden.cli.watching import watch_folders
from clipwarden.following import Pending, follow
from clipwarden.installation import host_name as this_host
from clipwarden.intake import Accepted, Input, Unfit, accept_source, prepare
from clipwarden.joining import joined_stores
from clipwarden.request import Request
from clipwarden.sampling_hosts import samples_on
from clipwarden.served_models import ChosenModel, choose_model
from clipwarden.wanted_model import WantedModel
from ingest.errors import MediaError
from ingest.media.spec import SamplingSpec
from ingest.originals import remove_leftovers
from ingest.queue.names import Priority
from ingest.sources.naming import LocalPath
from ingest.stores import Stores
from ingest.tables import Status

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
Watch = Annotated[
    bool, typer.Option("--watch", help="Stay, and submit what comes into the FOLDERs.")
]
Settle = Annotated[
    float, typer.Option(min=0, help="Seconds without a change until a watched file is complete.")
]
DEFAULT_SETTLE_S = 10.0


def submit(
    paths: Paths,
    prompts: Prompts = [DEFAULT_PROMPTS],  # noqa: B006 - read only, and Typer shows it
    model: Model = None,
    precision: PrecisionOption = PrecisionName.AUTO,
    sample: Sample = DEFAULT_SAMPLING,
    priority: PriorityOption = Priority.NORMAL,
    in_place: InPlaceOption = False,
    token: Token = None,
    wait: Wait = False,
    watch: Watch = False,
    settle: Settle = DEFAULT_SETTLE_S,
    crop: CropOption = None,
    calibration: CalibrationOption = AUTO,
    no_classifiers: NoClassifiers = False,
    max_bytes: MaxBytes = DEFAULT_MAX_BYTES,
    allow_private: AllowPrivate = False,
    output_format: FormatOption = Format.TABLE,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
    host_name: HostName = None,
    quiet: Quiet = False,
) -> None:
    """Leave videos to the running installation; print the id of each, then return.

    A file is copied into the blob store, once per content, so that it may be moved or deleted
    afterwards. JSON is one object for one input, an array for several or a folder: `id`, `source`,
    `status`, `is_new`, `media_sha256`, `error`. With --watch it is a line for each.

    Exit status 0: all are submitted, and with --wait analysed. 2: the command line is wrong,
    nothing was done. 3: some inputs failed, the others stand.

    Examples:

      clipwarden submit --priority high --prompts scenes --wait https://example.org/news.mp4
    """
    inputs, folders = named_inputs([] if watch else paths), watched_folders(paths if watch else [])
    _check_usage(inputs, token=token, watch=watch, wait=wait)
    wanted, sampling = _wanted(model, precision), SamplingSpec.parse(sample)
    prompt_sets = named_prompt_sets(prompts, no_classifiers=no_classifiers)
    asked = CalibrationChoice.parse(calibration)
    with joined_stores(named_folder(data), store_environment(database_url, blob_url)) as stores:
        chosen = choose_model(stores.redis, wanted)
        request = Request(
            model=chosen.card,
            sampling=sampling,
            prompt_sets=prompt_sets,
            calibration=asked,
            priority=priority,
            in_place_on=this_host(host_name) if in_place else None,
            request_token=token,
            crop=None if crop is None else crop.value,
            fetching=fetch_limits(max_bytes, allow_private=allow_private),
            once_per_content=watch,
        )
        _warn(stores, chosen, request.in_place_on)
        if watch:
            watch_folders(stores, request, folders, settle, output_format)
        _submit(_Submissions(stores, request, output_format), inputs, wait=wait, quiet=quiet)


def _wanted(model: str | None, precision: PrecisionName) -> WantedModel | None:
    check_precision_has_model(precision, model)
    # On which devices it runs is for those to say who serve it.
    return WantedModel(model, precision.value, devices=()) if model else None


def _check_usage(inputs: Inputs, *, token: str | None, watch: bool, wait: bool) -> None:
    if token is not None and (watch or inputs.are_several):
        raise typer.BadParameter("--token names one request: give one PATH with it.")
    if watch and wait:
        raise typer.BadParameter("--watch has no end that --wait could wait for.")


def _submit(submissions: _Submissions, inputs: Inputs, *, wait: bool, quiet: bool) -> None:
    try:
        submissions.accept_all(inputs.sources, quiet=quiet)
        if wait:
            submissions.wait(quiet=quiet)
    finally:
        # What is submitted is worked on, whatever ended this command.
        submissions.print_json(inputs.count)
    if submissions.some_failed:
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

    def accept_all(self, sources: Sequence[Input], *, quiet: bool) -> None:
        """Submit each; a bad one fails alone, with a line on stderr."""
        request = prepare(self._stores, self._request)
        copies = self._request.in_place_on is None
        paths = [_path_for_bar(source) for source in sources]
        if any(not isinstance(source, LocalPath | Unfit) for source in sources):
            # Else nobody would where no sampling process is at work.
            remove_leftovers()
        with ReadingBar(paths, quiet=quiet, is_read_twice=copies) as bar:
            for source, path in zip(sources, paths, strict=True):
                bar.begin(path)
                try:
                    accepted = accept_source(self._stores, request, source, bar.on_read)
                except MediaError as error:
                    with bar.lifted():
                        print_error(error)
                    self._outcomes.append(refused(source, error))
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
                outcome = standing(self._stores, self._outcomes[entry.index])
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
        outcome = submitted(self._stores, accepted)
        index = len(self._outcomes)
        self._outcomes.append(outcome)
        if outcome.status == Status.QUEUED:
            self._pending.append(
                Pending(index, accepted.source, accepted.submission_id, accepted.work)
            )
        self._print(outcome)

    def _print(self, outcome: Outcome, *, is_end: bool = False) -> None:
        if self._format is Format.TABLE:
            print_line(outcome, is_end=is_end)


def _path_for_bar(source: Input) -> Path:
    """What the bar names and measures."""
    if isinstance(source, LocalPath):
        return source.path
    # The end of an address, below what is no folder: no local file is to be measured instead.
    return Path(os.devnull, source.shown.rstrip("/").rpartition("/")[2])


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
