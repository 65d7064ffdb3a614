"""`clipwarden evaluate`: how good results are, measured against what people say is there."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from clipwarden import __version__
from clipwarden.analysis import AnalysisSettings
from clipwarden.calibration_choice import AUTO, CalibrationChoice
from clipwarden.cli.errors import EXIT_FAILED, EXIT_SOME_INPUTS_FAILED, succeeds
from clipwarden.cli.evaluate_view import evaluation_console, print_evaluation
from clipwarden.cli.limits import decode_limits, threads_for_one_file
from clipwarden.cli.options import (
    DEFAULT_MODEL,
    DEFAULT_PROMPTS,
    DEFAULT_SAMPLING,
    BatchSize,
    BlobUrl,
    CalibrationOption,
    CropOption,
    Data,
    DatabaseUrl,
    Format,
    FormatOption,
    HostName,
    Limits,
    Model,
    NoClassifiers,
    PrecisionName,
    PrecisionOption,
    Quiet,
    Sample,
    named_folder,
    store_environment,
)
from clipwarden.cli.output import prepare_report, writing_stdout
from clipwarden.cli.progress import ProgressBars
from clipwarden.cli.prompt_sets import named_prompt_sets
from clipwarden.cli.truth_options import (
    IgnoreUnknown,
    Mappings,
    MediaFolder,
    Only,
    TruthFile,
    judged_truth,
)
from clipwarden.data_folder import DataFolder
from clipwarden.errors import OutputFailed
from clipwarden.evaluation.observation import Observed, observe
from clipwarden.evaluation.page import render_evaluation
from clipwarden.evaluation.report import Evaluation, Failure
from clipwarden.evaluation.run import measure
from clipwarden.installation import host_name as this_host
from clipwarden.served_models import analysis_model
from clipwarden.truth.examination import examine
from clipwarden.truth.model import JudgedTruth
from clipwarden.wanted_model import WantedModel
from ingest.media.spec import SamplingSpec
from ingest.sources.limits import FetchLimits
from worker.composing import model_info, sampling_info
from worker.document import PromptSetInfo

PromptSetName = Annotated[
    str, typer.Option("--prompts", "-p", help="A shipped prompt set or a YAML file.")
]
Device = Annotated[
    str,
    typer.Option(help="Where the model runs: cpu, openvino, cuda:1, hpu; not in a service."),
]
Report = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write an HTML report with curves, too.", show_default=False),
]


def evaluate(
    truth: TruthFile,
    media: MediaFolder = None,
    prompts: PromptSetName = DEFAULT_PROMPTS,
    model: Model = DEFAULT_MODEL,
    sample: Sample = DEFAULT_SAMPLING,
    no_classifiers: NoClassifiers = False,
    calibration: CalibrationOption = AUTO,
    mapping: Mappings = None,
    ignore_unknown: IgnoreUnknown = False,
    only: Only = None,
    output_format: FormatOption = Format.TABLE,
    report: Report = None,
    device: Device = "cpu",
    precision: PrecisionOption = PrecisionName.AUTO,
    batch_size: BatchSize = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
    host_name: HostName = None,
    crop: CropOption = None,
    limit: Limits = None,
    quiet: Quiet = False,
) -> None:
    """Measure what a prompt set finds against a truth file: how much, how exactly, how often wrong.

    Media that are stored already are not decoded or embedded again. A label counts as found in a
    scene where a segment of it, or of a label below it, lasts for half of the scene. Figures come
    with 95% intervals where there are cases enough to say; scenes marked `hard` are counted apart.

    Exit status 0: all files were measured. 2: the command line, the truth, a prompt set or the
    model is wrong, nothing was done. 3: some files can't be analysed, the others were measured.

    Examples:

      clipwarden evaluate --truth labels.csv --media clips/ --map weapon=weapons,blade=weapons

      clipwarden evaluate --truth truth.json --prompts mine.yaml --report report.html
    """
    report_file = None if report is None else prepare_report(report)
    [prompt_set] = named_prompt_sets((prompts,), no_classifiers=no_classifiers)
    judged = judged_truth(truth, media, prompt_set, mapping, only, ignore_unknown=ignore_unknown)
    decoding = decode_limits(limit, threads=threads_for_one_file())
    folder, environment = named_folder(data), store_environment(database_url, blob_url)
    settings = AnalysisSettings(
        sampling=SamplingSpec.parse(sample),
        prompt_sets=(prompt_set,),
        calibration=CalibrationChoice.parse(calibration),
        model=analysis_model(folder, environment, WantedModel(model, precision.value, (device,))),
        device=device,
        batch_size=batch_size,
        environment=environment,
        host_name=this_host(host_name),
        crop=None if crop is None else crop.value,
        fetching=FetchLimits(max_bytes=decoding.max_bytes),
        decoding=decoding,
    )
    _write(_evaluation(folder, settings, truth, judged, quiet=quiet), output_format, report_file)


def _evaluation(
    folder: DataFolder,
    settings: AnalysisSettings,
    truth_file: Path,
    truth: JudgedTruth,
    *,
    quiet: bool,
) -> Evaluation:
    observed: list[Observed] = []
    failures: list[Failure] = []
    thresholds: dict[str, float] = {}
    used = None
    with ProgressBars(len(truth.media), quiet=quiet) as bars:
        for one in examine(folder, settings, truth, bars):
            used = one.calibration
            if one.scored is not None:
                observed.append(observe(one, truth.labels))
                thresholds = {label.id: label.threshold for label in one.scored.labels}
            elif one.error is not None:
                failures.append(Failure(one.media.name, one.error))
    [prompt_set] = settings.prompt_sets
    geometry = settings.model.geometry
    geometry = geometry if settings.crop is None else geometry.with_crop(settings.crop)
    return Evaluation(
        created_at=datetime.now(UTC),
        version=__version__,
        truth=truth_file.name,
        truth_sha256=truth.sha256,
        model=model_info(settings.model, None),
        prompt_set=PromptSetInfo(
            name=prompt_set.name,
            version=prompt_set.version,
            sha256=prompt_set.sha256,
            calibration=None if used is None else used.sha256,
        ),
        sampling=sampling_info(settings.sampling, geometry.name),
        labels=truth.labels,
        thresholds=thresholds,
        figures=measure(observed, truth.labels),
        failures=tuple(sorted(failures, key=lambda one: one.file)),
    )


def _write(evaluation: Evaluation, output_format: Format, report_file: Path | None) -> None:
    with writing_stdout():
        if output_format is Format.JSON:
            sys.stdout.write(evaluation.to_json())
        else:
            print_evaluation(evaluation_console(), evaluation)
    if report_file is not None:
        if not succeeds(lambda: _write_report(evaluation, report_file)):
            raise typer.Exit(EXIT_FAILED)
        typer.echo(f"Report: {report_file}", err=output_format is Format.JSON)
    if evaluation.failures:
        raise typer.Exit(EXIT_SOME_INPUTS_FAILED)


def _write_report(evaluation: Evaluation, target: Path) -> None:
    try:
        target.write_text(render_evaluation(evaluation), encoding="utf-8")
    except OSError as error:
        raise OutputFailed(
            f"{target} can't be written: {error.strerror or error}.", "Choose another --report."
        ) from error
