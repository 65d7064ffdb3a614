"""`clipwarden analyze`: videos in, segments and flags out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from clipwarden.analysis import (
    Analysis,
    AnalysisSettings,
    Finished,
    running_analysis,
)
from clipwarden.calibration_choice import AUTO, CalibrationChoice
from clipwarden.cli.errors import EXIT_FAILED, EXIT_SOME_INPUTS_FAILED, succeeds
from clipwarden.cli.inputs import Inputs, named_inputs
from clipwarden.cli.limits import decode_limits, threads_for_one_file
from clipwarden.cli.options import (
    DEFAULT_MODEL,
    DEFAULT_PROMPTS,
    DEFAULT_SAMPLING,
    AllowPrivate,
    BatchSize,
    BlobUrl,
    CalibrationOption,
    CropOption,
    Data,
    DatabaseUrl,
    HostName,
    Limits,
    Model,
    NoClassifiers,
    Paths,
    PrecisionName,
    PrecisionOption,
    Prompts,
    Quiet,
    Sample,
    named_folder,
    store_environment,
)
from clipwarden.cli.output import (
    Output,
    OutputFormat,
    ResultFormat,
    Results,
    prepare_report,
)
from clipwarden.cli.progress import ProgressBars
from clipwarden.cli.prompt_sets import named_prompt_sets
from clipwarden.data_folder import DataFolder
from clipwarden.installation import host_name as this_host
from clipwarden.intake import Input
from clipwarden.run_report import write_report
from clipwarden.served_models import analysis_model
from clipwarden.wanted_model import WantedModel
from ingest.media.spec import SamplingSpec
from ingest.sources.limits import FetchLimits
from prompts.errors import ClipwardenError
from worker.document import ResultDocument

Device = Annotated[
    str,
    typer.Option(
        help="Where the model runs: cpu, openvino, cuda, cuda:1, hpu, hpu:3; not where a service "
        "runs it."
    ),
]
Report = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Where the HTML report goes; by default into the data folder."
    ),
]
NoReport = Annotated[bool, typer.Option("--no-report", help="Write no HTML report.")]


def analyze(
    paths: Paths,
    prompts: Prompts = [DEFAULT_PROMPTS],  # noqa: B006 - read only, and Typer shows it
    model: Model = DEFAULT_MODEL,
    sample: Sample = DEFAULT_SAMPLING,
    device: Device = "cpu",
    precision: PrecisionOption = PrecisionName.AUTO,
    batch_size: BatchSize = None,
    output_format: OutputFormat = ResultFormat.TABLE,
    output: Output = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
    host_name: HostName = None,
    report: Report = None,
    no_report: NoReport = False,
    crop: CropOption = None,
    calibration: CalibrationOption = AUTO,
    no_classifiers: NoClassifiers = False,
    limit: Limits = None,
    allow_private: AllowPrivate = False,
    quiet: Quiet = False,
) -> None:
    """Analyse videos: what they show, from when to when, and whether somebody should look.

    Where `clipwarden serve` works on the data folder it does the work, with a model that it holds;
    otherwise queue server and workers are started for this run, and stopped at its end.

    Exit status 0: all inputs have results. 2: the command line, a prompt set or the model is
    wrong, nothing was done. 3: some inputs failed, the others' results stand.

    Examples:

      clipwarden analyze clip.mp4

      clipwarden analyze --model starter --prompts scenes --sample fps:1 *.mp4

      clipwarden analyze --format json --output results/ uploads/

      clipwarden analyze --sample shots --crop tiles https://example.org/clip.mp4 s3://bucket/clip.mp4
    """
    decoding = decode_limits(limit, threads=threads_for_one_file())
    folder, environment = named_folder(data), store_environment(database_url, blob_url)
    settings = AnalysisSettings(
        sampling=SamplingSpec.parse(sample),
        prompt_sets=named_prompt_sets(prompts, no_classifiers=no_classifiers),
        calibration=CalibrationChoice.parse(calibration),
        model=analysis_model(folder, environment, WantedModel(model, precision.value, (device,))),
        device=device,
        batch_size=batch_size,
        environment=environment,
        host_name=this_host(host_name),
        crop=None if crop is None else crop.value,
        fetching=FetchLimits(max_bytes=decoding.max_bytes, allow_private=allow_private),
        decoding=decoding,
    )
    inputs = named_inputs(paths)
    results = Results.prepare(output_format, output, inputs.count)
    report_file = None if no_report else _report_file(folder, report)
    _analyze(folder, settings, inputs, results, report_file, quiet=quiet)


def _analyze(
    folder: DataFolder,
    settings: AnalysisSettings,
    inputs: Inputs,
    results: Results,
    report_file: Path | None,
    *,
    quiet: bool,
) -> None:
    # Bars and results can't share a terminal.
    no_bars = quiet or (results.are_streamed and sys.stdout.isatty())
    with (
        ProgressBars(len(inputs.sources), quiet=no_bars) as bars,
        running_analysis(folder, settings, bars) as analysis,
    ):
        finished = _run(analysis, inputs.sources, bars, results)
        are_written, has_report = _write(analysis, finished, results, report_file)
    if has_report and report_file is not None:
        # On stderr beside JSON: what reads stdout wants results alone.
        typer.echo(f"Report: {report_file}", err=results.format is not ResultFormat.TABLE)
    _exit(finished, are_written=are_written, has_report=has_report)


def _report_file(folder: DataFolder, name: str | None) -> Path:
    """Where the report goes; raises OutputFailed where it can't go there."""
    if name:
        return prepare_report(name)
    return folder.reports / f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.html"


def _run(
    analysis: Analysis, sources: Sequence[Input], bars: ProgressBars, results: Results
) -> list[Finished]:
    """Return results in the order of the inputs; JSON lines go out as they are finished."""
    finished: list[Finished] = []
    try:
        for one in analysis.run(sources):
            finished.append(one)
            results.add(one.document)
    except (ClipwardenError, OSError, KeyboardInterrupt):
        # What is finished was paid for, whatever ended the run.
        bars.stop()
        succeeds(lambda: results.finish(_documents(finished)))
        raise
    bars.stop()
    return sorted(finished, key=lambda one: one.index)


def _write(
    analysis: Analysis, finished: Sequence[Finished], results: Results, report_file: Path | None
) -> tuple[bool, bool]:
    """Write results, and the report if it is wanted; say of each whether nothing hindered it."""
    try:
        are_written = succeeds(lambda: results.finish(_documents(finished)))
    finally:
        # Also where a reader like `head` left early.
        has_report = report_file is None or succeeds(
            lambda: write_report(analysis.stores, finished, report_file, datetime.now(UTC))
        )
    return are_written, has_report


def _documents(finished: Sequence[Finished]) -> list[ResultDocument]:
    """The documents in the order of the inputs."""
    return [one.document for one in sorted(finished, key=lambda one: one.index)]


def _exit(finished: Sequence[Finished], *, are_written: bool, has_report: bool) -> None:
    if are_written and any(one.document.status == "failed" for one in finished):
        raise typer.Exit(EXIT_SOME_INPUTS_FAILED)
    if not (are_written and has_report):
        raise typer.Exit(EXIT_FAILED)
