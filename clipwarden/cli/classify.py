"""`clipwarden classify`: which of some labels a picture shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from clipwarden.classification.accuracy import accuracy_of
from clipwarden.classification.answers import AnswerFile
from clipwarden.classification.document import Classification
from clipwarden.classification.errors import ClassificationError
from clipwarden.classification.questions import Question
from clipwarden.classification.scoring import Vectors
from clipwarden.classification.truth import Answers, read_answers
from clipwarden.cli.classify_options import (
    AnswerFormat,
    AnswersFormat,
    Contrast,
    Labels,
    LabelsFrom,
    LabelThreshold,
    Multi,
    PromptSetName,
    Reading,
    Template,
    Templates,
    TopK,
    Truth,
    Wish,
    Wording,
)
from clipwarden.cli.classify_view import print_classification
from clipwarden.cli.embed import BatchSize, Device
from clipwarden.cli.embed_progress import EmbedProgress
from clipwarden.cli.errors import EXIT_SOME_INPUTS_FAILED, EXIT_USAGE, print_error
from clipwarden.cli.limits import decode_limits
from clipwarden.cli.options import (
    DEFAULT_MODEL,
    Limits,
    Model,
    PrecisionName,
    PrecisionOption,
    Quiet,
)
from clipwarden.cli.picture_words import FromFile, Images, pictures_of, tell
from clipwarden.cli.text_output import TextOutput, text_draft, write_table, write_text
from clipwarden.embedding.draft import Draft
from clipwarden.embedding.images import Named
from clipwarden.embedding.rows import VectorFile
from clipwarden.embedding.run import Plan, embed_texts_then_pictures
from clipwarden.roles import default_batch_size
from clipwarden.wanted_model import WantedModel


def classify(
    images: Images = None,
    labels: Labels = None,
    labels_from: LabelsFrom = None,
    prompts: PromptSetName = None,
    multi: Multi = False,
    contrast: Contrast = None,
    threshold: LabelThreshold = None,
    template: Template = None,
    templates: Templates = None,
    reading: Reading = False,
    top_k: TopK = 5,
    truth: Truth = None,
    from_file: FromFile = None,
    output_format: AnswersFormat = AnswerFormat.TABLE,
    output: TextOutput = "-",
    model: Model = DEFAULT_MODEL,
    device: Device = "cpu",
    precision: PrecisionOption = PrecisionName.AUTO,
    batch_size: BatchSize = None,
    limit: Limits = None,
    quiet: Quiet = False,
) -> None:
    """Say which of some labels each picture shows, without training.

    Labels are put into templates; confidences add up to 1. With --multi each label is judged by
    itself: a prompt set's by its own contrast and thresholds, your own against --contrast, or
    against each other, and by a SigLIP's own bias. --reading asks which label is written in the
    picture: most models ignore case, how well they do it is not measured, and the starter reads
    nothing. With --truth it measures how often the right label comes first, or among five.

    Exit status 0: every picture has an answer. 1: the run broke off, or can't be written. 2: the
    command line, labels or model are wrong. 3: some pictures failed, the others are answered.

    Examples:

      clipwarden classify photos/ --labels "dog,cat,horse" --model starter

      clipwarden classify upload.jpg --prompts moderation --multi --format json
    """
    wish = Wish(labels, labels_from, prompts, multi, contrast, threshold)
    words = Wording(tuple(template or ()), templates, reading)
    wanted = WantedModel(model, precision.value, (device,))
    limits = decode_limits(limit)
    with _usage_errors():
        task = _read_task(wish, words, truth, pictures_of(images, from_file))
        with text_draft(output) as draft:
            size = batch_size or default_batch_size(device)
            run = _run(Plan(wanted.resolve(), device, size, limits), task, top_k, quiet=quiet)
            _write(draft, output, output_format, run)
    if run.file.failures:
        raise typer.Exit(EXIT_SOME_INPUTS_FAILED)


@dataclass(frozen=True)
class _Task:
    question: Question
    named: Sequence[Named]
    answers: Answers | None


@contextmanager
def _usage_errors() -> Iterator[None]:
    try:
        yield
    except ClassificationError as error:
        print_error(error)
        raise typer.Exit(EXIT_USAGE) from error


def _read_task(wish: Wish, words: Wording, truth: Path | None, named: list[Named]) -> _Task:
    if truth is not None and named:
        raise typer.BadParameter("--truth names the pictures itself.")
    if truth is None and not named:
        raise typer.BadParameter("name pictures, or a folder of them.")
    answers = None if truth is None else read_answers(truth)
    question = wish.question(words, answers)
    if answers is not None and truth is not None:
        answers.require_labels(question.labels, truth)
        named = list(answers.paths)
    return _Task(question, named, answers)


def _run(plan: Plan, task: _Task, top_k: int, *, quiet: bool) -> Classification:
    begun: list[tuple[AnswerFile, str]] = []

    def begin(vectors: Vectors, device: str) -> VectorFile:
        asked = task.question.asked_of(plan.card, vectors)
        for warning in asked.warnings:
            tell(f"warning: {warning}")
        truth = {} if task.answers is None else task.answers.class_of
        file = AnswerFile(task.question, asked.scorer, top_k, truth)
        begun.append((file, device))
        return file

    with EmbedProgress(len(task.named), quiet=quiet) as progress:
        embed_texts_then_pictures(plan, task.question.texts(), task.named, begin, progress)
    file, device = begun[0]
    accuracy = None if task.answers is None else accuracy_of(file.answers)
    return Classification(plan.card, device, file, accuracy)


def _write(draft: Draft, output: str, output_format: AnswerFormat, run: Classification) -> None:
    match output_format:
        case AnswerFormat.JSON:
            write_text(draft, output, run.to_json())
        case AnswerFormat.JSONL:
            write_text(draft, output, run.to_jsonl())
        case AnswerFormat.CSV:
            write_text(draft, output, run.to_csv())
        case AnswerFormat.TABLE:
            write_table(draft, output, lambda console: print_classification(console, run))
