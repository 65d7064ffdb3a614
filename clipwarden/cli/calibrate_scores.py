"""`clipwarden calibrate`: confidences that come true as often as they say, and thresholds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console

from clipwarden import __version__
from clipwarden.analysis import AnalysisSettings
from clipwarden.calibration.calibrate import Calibrated, Settings, calibrate
from clipwarden.calibration.document import own_links, to_calibration
from clipwarden.calibration.examples import gather
from clipwarden.calibration.page import render_calibration
from clipwarden.calibration.storing import joined_or_own_stores
from clipwarden.calibration.wording import CalibrationFacts
from clipwarden.calibration_choice import NONE, CalibrationChoice
from clipwarden.cli.calibrate_options import (
    Device,
    MethodName,
    MethodOption,
    NoActivate,
    Output,
    Priors,
    PromptSetName,
    Report,
    Share,
    WantedAlarms,
    WantedPrecision,
    WantedRecall,
    given_priors,
    wanted_thresholds,
)
from clipwarden.cli.calibrate_view import print_calibration
from clipwarden.cli.errors import EXIT_SOME_INPUTS_FAILED
from clipwarden.cli.limits import decode_limits, threads_for_one_file
from clipwarden.cli.options import (
    DEFAULT_MODEL,
    DEFAULT_PROMPTS,
    DEFAULT_SAMPLING,
    BlobUrl,
    CropName,
    CropOption,
    Data,
    DatabaseUrl,
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
from clipwarden.embedding.draft import FileDraft, unwritable
from clipwarden.installation import StoreEnvironment
from clipwarden.installation import host_name as this_host
from clipwarden.served_models import analysis_model
from clipwarden.truth.examination import Examined, examine
from clipwarden.truth.model import JudgedTruth
from clipwarden.wanted_model import WantedModel
from ingest.media.check import displayed_name
from ingest.media.spec import SamplingSpec
from ingest.sources.limits import FetchLimits
from ingest.tables import DEFAULT_TENANT
from prompts.calibration import Calibration
from prompts.schema import PromptSet
from worker.calibrations import store_calibration
from worker.models.card import ModelCard


def calibrate_scores(
    truth: TruthFile,
    media: MediaFolder = None,
    prompts: PromptSetName = DEFAULT_PROMPTS,
    model: Model = DEFAULT_MODEL,
    sample: Sample = DEFAULT_SAMPLING,
    no_classifiers: NoClassifiers = False,
    method: MethodOption = MethodName.AUTO,
    share: Share = True,
    prior: Priors = None,
    target_precision: WantedPrecision = None,
    target_recall: WantedRecall = None,
    false_alarms_per_hour: WantedAlarms = None,
    mapping: Mappings = None,
    ignore_unknown: IgnoreUnknown = False,
    only: Only = None,
    output: Output = None,
    no_activate: NoActivate = False,
    report: Report = None,
    device: Device = "cpu",
    precision: PrecisionOption = PrecisionName.AUTO,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
    host_name: HostName = None,
    crop: CropOption = None,
    limit: Limits = None,
    quiet: Quiet = False,
) -> None:
    """Fit confidences, and thresholds if you like, to what people say is in your own media.

    A model's own scale is a guess: 0.9 need not come true nine times in ten. Here it is fitted to
    a truth file, for each label and this model alone, and what comes of it is measured on scenes
    that were held out. How often a label is in the truth is taken for how often it is in your
    footage: where that is not so, say --prior. What is scored from now on uses the calibration;
    what is stored stays as it is until it is scored again.

    Exit status 0: fitted and stored. 1: too few examples, or a file can't be written. 2: command
    line, truth, prompt set or model is wrong. 3: some files can't be analysed, others were fitted.

    Examples:

      clipwarden calibrate --truth clips/truth.json --model starter

      clipwarden calibrate --truth truth.json --target-precision 0.9 --report calibration.html

      clipwarden calibrate --truth truth.json --false-alarms-per-hour 2 --prior weapons=0.001
    """
    [prompt_set] = named_prompt_sets((prompts,), no_classifiers=no_classifiers)
    wish = wanted_thresholds(target_precision, target_recall, false_alarms_per_hour)
    wanted = Settings(method.value, share, wish, given_priors(prior or [], prompt_set))
    judged = judged_truth(truth, media, prompt_set, mapping, only, ignore_unknown=ignore_unknown)
    stores = store_environment(database_url, blob_url)
    called = _Called(named_folder(data), stores, truth.name, judged, wanted, not no_activate, quiet)
    report_file = None if report is None else prepare_report(report)
    asked = WantedModel(model, precision.value, (device,))
    settings = _settings(called, prompt_set, asked, sample, host_name, crop, limit)
    if _run(called, settings, output, report_file):
        raise typer.Exit(EXIT_SOME_INPUTS_FAILED)


@dataclass(frozen=True)
class _Called:
    """What the command was called with, as far as all of its steps need it."""

    folder: DataFolder
    environment: StoreEnvironment
    truth_name: str
    truth: JudgedTruth
    wanted: Settings
    activate: bool
    quiet: bool


def _settings(
    called: _Called,
    prompt_set: PromptSet,
    asked: WantedModel,
    sample: str,
    host_name: str | None,
    crop: CropName | None,
    limit: list[str] | None,
) -> AnalysisSettings:
    decoding = decode_limits(limit, threads=threads_for_one_file())
    return AnalysisSettings(
        sampling=SamplingSpec.parse(sample),
        prompt_sets=(prompt_set,),
        # Fitted on margins, which no calibration changes.
        calibration=CalibrationChoice(NONE),
        model=analysis_model(called.folder, called.environment, asked),
        device=asked.devices[0],
        batch_size=None,
        environment=called.environment,
        host_name=this_host(host_name),
        crop=None if crop is None else crop.value,
        fetching=FetchLimits(max_bytes=decoding.max_bytes),
        decoding=decoding,
    )


def _run(
    called: _Called, settings: AnalysisSettings, output: Path | None, report_file: Path | None
) -> int:
    """Fit, store, write and print; returns how many files can't be analysed."""
    [prompt_set] = settings.prompt_sets
    target = output or Path(_file_name(prompt_set, settings.model))
    created_at = datetime.now(UTC)
    with FileDraft(target) as draft:
        calibrated, failures = _calibrated(called, settings)
        calibration = to_calibration(
            calibrated,
            called.wanted,
            prompt_set,
            settings.model,
            sampling=settings.sampling.name,
            created_at=created_at,
        )
        with joined_or_own_stores(called.folder, called.environment) as stores:
            store_calibration(stores, DEFAULT_TENANT, calibration, activate=called.activate)
        _keep(draft, target, calibration)
    sha256 = called.truth.sha256
    facts = CalibrationFacts(
        called.truth_name, sha256, called.wanted, calibration, created_at, __version__
    )
    with writing_stdout():
        print_calibration(Console(), facts, calibrated)
        _say_where(target, calibration, is_active=called.activate)
    if report_file is not None:
        own = own_links(prompt_set, settings.model)
        _write_report(report_file, render_calibration(facts, calibrated, own))
    return failures


def _calibrated(called: _Called, settings: AnalysisSettings) -> tuple[Calibrated, int]:
    """Examine the truth's media and fit; returns how many failed, too, of which each is told."""
    [prompt_set] = settings.prompt_sets
    truth = called.truth
    labels = [prompt_set.label(label) for label in truth.labels]
    own = own_links(prompt_set, settings.model)
    failed: list[Examined] = []

    def passed_on(examined: Iterator[Examined]) -> Iterator[Examined]:
        for one in examined:
            if one.scored is None:
                failed.append(one)
            yield one

    with ProgressBars(len(truth.media), quiet=called.quiet) as bars:
        examples = gather(passed_on(examine(called.folder, settings, truth, bars)), labels, own)
    for one in failed:
        assert one.error is not None
        name, error = displayed_name(one.media.name), one.error
        typer.echo(f"error[{error.code}]: {name}: {error.message} {error.cure}", err=True)
    return calibrate(examples, labels, called.wanted), len(failed)


def _file_name(prompt_set: PromptSet, model: ModelCard) -> str:
    return f"{prompt_set.name}-{re.sub(r'[^A-Za-z0-9._-]+', '-', model.id)}.calibration.json"


def _keep(draft: FileDraft, target: Path, calibration: Calibration) -> None:
    try:
        draft.file.write(calibration.to_json().encode() + b"\n")
        draft.keep()
    except OSError as error:
        raise unwritable(str(target), error) from error


def _say_where(target: Path, calibration: Calibration, *, is_active: bool) -> None:
    use = "in use from now on" if is_active else "stored, not in use"
    typer.echo(f"{displayed_name(str(target))}: calibration {calibration.sha256[:12]}, {use}.")


def _write_report(target: Path, page: str) -> None:
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise unwritable(str(target), error) from error
    typer.echo(f"Report: {target}")
