"""`clipwarden prompts test`: a prompt set's own examples, run like unit tests."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from clipwarden.classification.errors import ClassificationError, InvalidLabels
from clipwarden.classification.examples import Embedded, Outcome, Suite, count, run_suite
from clipwarden.classification.scoring import Vectors
from clipwarden.cli.embed import BatchSize, Device
from clipwarden.cli.embed_progress import EmbedProgress
from clipwarden.cli.errors import EXIT_FAILED, EXIT_USAGE, print_error
from clipwarden.cli.examples_view import Trials, print_trials, to_json, to_junit
from clipwarden.cli.limits import decode_limits
from clipwarden.cli.options import (
    DEFAULT_MODEL,
    Limits,
    Model,
    PrecisionName,
    PrecisionOption,
    Quiet,
)
from clipwarden.cli.prompts_lint import set_path
from clipwarden.cli.text_output import TextOutput, text_draft, write_table, write_text
from clipwarden.embedding.draft import Draft
from clipwarden.embedding.memory import VectorsInMemory
from clipwarden.embedding.rows import VectorFile
from clipwarden.embedding.run import Plan, embed_texts_then_pictures
from clipwarden.roles import default_batch_size
from clipwarden.wanted_model import WantedModel
from prompts.loader import load_prompt_set
from worker.models.card import ModelCard

Sets = Annotated[
    list[str], typer.Argument(metavar="SET...", help="Files or names of sets.", show_default=False)
]


class TrialFormat(StrEnum):
    """How outcomes are told."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"


TrialsFormat = Annotated[
    TrialFormat,
    typer.Option("--format", "-f", help="Lines for people, JSON, or JUnit's XML for builds."),
]


def try_sets(
    sets: Sets,
    output_format: TrialsFormat = TrialFormat.TABLE,
    output: TextOutput = "-",
    model: Model = DEFAULT_MODEL,
    device: Device = "cpu",
    precision: PrecisionOption = PrecisionName.AUTO,
    batch_size: BatchSize = None,
    limit: Limits = None,
    quiet: Quiet = False,
) -> None:
    """Try prompt sets on their own examples: pictures and sentences with the labels they must get.

    An example is scored as a still image is, by the set's margins and thresholds. It passes where
    all its labels are found, children counting as their parents, and none that must be absent.
    Failed ones say the margin, and which prompts decided it.

    Exit status 0: all pass. 1: some fail, or a picture can't be read. 2: a set can't be loaded, no
    set has examples, or the model is wrong.

    Examples:

      clipwarden prompts test mine.yaml --model starter

      clipwarden prompts test mine.yaml theirs.yaml --format junit --output report.xml
    """
    limits = decode_limits(limit)
    wanted = WantedModel(model, precision.value, (device,))
    suites = [_suite(name) for name in dict.fromkeys(sets)]
    try:
        _require_examples(suites)
        with text_draft(output) as draft:
            size = batch_size or default_batch_size(device)
            plan = Plan(wanted.resolve(), device, size, limits)
            trials = _run(plan, suites, quiet=quiet)
            _write(draft, output, output_format, trials, plan.card)
    except ClassificationError as error:
        print_error(error)
        raise typer.Exit(EXIT_USAGE) from error
    everything = [one for ones in trials.values() for one in ones]
    if count(everything, Outcome.FAILED) or count(everything, Outcome.ERROR):
        raise typer.Exit(EXIT_FAILED)


def _suite(name: str) -> Suite:
    return Suite(name, set_path(name).parent, load_prompt_set(name))


def _require_examples(suites: Sequence[Suite]) -> None:
    if not any(suite.prompt_set.examples for suite in suites):
        names = ", ".join(suite.name for suite in suites)
        raise InvalidLabels(
            f"there are no examples in {names}.",
            "Add some: examples: [{text: a man with a rifle, labels: [weapons]}].",
        )


def _run(plan: Plan, suites: Sequence[Suite], *, quiet: bool) -> Trials:
    texts = list(dict.fromkeys(text for suite in suites for text in suite.texts()))
    pictures = list(dict.fromkeys(path for suite in suites for path in suite.pictures()))
    memory = VectorsInMemory()
    embedded: dict[str, Vectors] = {}

    def begin(vectors: Vectors, _device: str) -> VectorFile:
        embedded.update(zip(texts, vectors, strict=True))
        return memory

    with EmbedProgress(len(pictures), quiet=quiet) as progress:
        embed_texts_then_pictures(plan, texts, pictures, begin, progress)
    found = Embedded(embedded, memory.vectors, memory.failures)
    return {suite.name: run_suite(suite, plan.card, found) for suite in suites}


def _write(
    draft: Draft, output: str, output_format: TrialFormat, trials: Trials, card: ModelCard
) -> None:
    match output_format:
        case TrialFormat.JSON:
            write_text(draft, output, to_json(trials, card))
        case TrialFormat.JUNIT:
            write_text(draft, output, to_junit(trials))
        case TrialFormat.TABLE:
            write_table(draft, output, lambda console: print_trials(console, trials))
