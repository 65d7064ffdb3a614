"""`clipwarden train-head`: a label learnt from examples instead of described by prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from clipwarden.calibration.storing import joined_or_own_stores
from clipwarden.cli.embed_progress import EmbedProgress
from clipwarden.cli.errors import EXIT_SOME_INPUTS_FAILED
from clipwarden.cli.limits import decode_limits
from clipwarden.cli.options import (
    DEFAULT_MODEL,
    DEFAULT_PROMPTS,
    BlobUrl,
    Data,
    DatabaseUrl,
    Limits,
    Model,
    PrecisionName,
    PrecisionOption,
    Quiet,
    named_folder,
    store_environment,
)
from clipwarden.cli.output import writing_stdout
from clipwarden.cli.picture_words import tell
from clipwarden.cli.train_head_view import print_head, print_use
from clipwarden.data_folder import DataFolder
from clipwarden.embedding.draft import FileDraft, unwritable
from clipwarden.embedding.images import Named
from clipwarden.embedding.run import Plan, embed_texts_then_pictures
from clipwarden.heads.baseline import baseline_of
from clipwarden.heads.decisions import read_decisions
from clipwarden.heads.document import trained_head
from clipwarden.heads.errors import TooFewHeadExamples
from clipwarden.heads.folder import Collected, Labelled, labelled_pictures
from clipwarden.heads.grouping import group_examples
from clipwarden.heads.stored import Example, Passed, stored_examples
from clipwarden.heads.training import Examples
from clipwarden.installation import StoreEnvironment
from clipwarden.roles import default_batch_size
from clipwarden.wanted_model import WantedModel
from ingest.media.check import displayed_name
from prompts.fields import LabelId
from prompts.heads import Head
from prompts.loader import load_prompt_set
from worker.models.card import ModelCard

LabelName = Annotated[
    str,
    typer.Option("--label", "-l", metavar="LABEL", help="What is learnt.", show_default=False),
]
ExamplesFolder = Annotated[
    Path | None,
    typer.Option(
        "--examples",
        metavar="DIR",
        help="A folder with the subfolders yes and no, of pictures that show it and that don't.",
        show_default=False,
    ),
]
Positive = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The subfolder of those that show it, where there is one for each of many things.",
        show_default=False,
    ),
]
Decisions = Annotated[
    Path | None,
    typer.Option(
        "--decisions",
        metavar="FILE",
        help="Review decisions, JSON or CSV, instead: frames that are stored are not embedded "
        "again.",
        show_default=False,
    ),
]
PromptSetName = Annotated[
    str,
    typer.Option(
        "--prompts", "-p", help="The prompt set whose prompts for the label are compared with it."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where the head goes; by default LABEL.head.json.",
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option(help="Where the model runs: cpu, openvino, cuda:1, hpu.")]


def train_head(
    label: LabelName,
    examples: ExamplesFolder = None,
    decisions: Decisions = None,
    positive: Positive = None,
    prompts: PromptSetName = DEFAULT_PROMPTS,
    model: Model = DEFAULT_MODEL,
    output: Output = None,
    device: Device = "cpu",
    precision: PrecisionOption = PrecisionName.AUTO,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
    limit: Limits = None,
    quiet: Quiet = False,
) -> None:
    """Train a label on examples: a logistic regression over the vectors of one model.

    Where words don't get at it, examples do: eight different pictures of each kind are the least, a
    hundred are good. What the head is worth is told by cross-validation, copies of a picture kept
    together, beside the prompts that a prompt set has for the label. Calibrate it afterwards.

    Exit status 0: written. 1: the file can't be written. 2: the command line, model or prompt set
    is wrong, or examples are too few. 3: written, but some examples can't be used.

    Examples:

      clipwarden train-head --label logo --examples pictures/ --model starter

      clipwarden train-head --label weapons --decisions reviewed.json
    """
    if (examples is None) == (decisions is None):
        raise typer.BadParameter("give it --examples or --decisions, one of both.")
    _check_label(label)
    prompt_set = load_prompt_set(prompts)
    card = WantedModel(model, precision.value, (device,)).resolve()
    baseline = baseline_of(prompt_set, label, card)
    texts = () if baseline is None else baseline.prompt_set.texts()
    plan = Plan(card, device, default_batch_size(device), decode_limits(limit))
    target = output or Path(f"{label}.head.json")
    with FileDraft(target) as draft:
        if examples is not None:
            pictures = labelled_pictures(examples, positive, tell)
            collected, vectors = _embedded(plan, texts, pictures.named, quiet=quiet)
            found, failures = _of_pictures(collected, pictures), len(collected.failures)
        else:
            assert decisions is not None
            stores = store_environment(database_url, blob_url)
            found, failures = _of_decisions(decisions, label, card, named_folder(data), stores)
            _, vectors = _embedded(plan, texts, (), quiet=quiet)
        source, now = _shown(examples or decisions or Path()), datetime.now(UTC)
        head, measured = trained_head(label, card, found, source=source, created_at=now)
        _keep(draft, target, head)
    by_prompts = None if baseline is None else baseline.measured(vectors, found)
    with writing_stdout():
        print_head(Console(), head, found, measured, by_prompts)
        print_use(target, head)
    if failures:
        raise typer.Exit(EXIT_SOME_INPUTS_FAILED)


def _shown(source: Path) -> str:
    """What a head is said to be trained on."""
    return displayed_name(source.name or str(source))


def _check_label(label: str) -> None:
    try:
        TypeAdapter(LabelId).validate_python(label)
    except ValidationError as error:
        raise typer.BadParameter(
            "a label is lower-case words with _ or . between them.", param_hint="--label"
        ) from error


def _embedded(
    plan: Plan, texts: Sequence[str], named: Sequence[Named], *, quiet: bool
) -> tuple[Collected, NDArray[np.float32]]:
    """Embed pictures and texts, be they none; returns the texts' vectors, too."""
    collected, vectors = Collected(), np.empty((0, plan.card.dimension), np.float32)

    def begin(of_texts: NDArray[np.float32], _device: str) -> Collected:
        nonlocal vectors
        vectors = of_texts
        return collected

    if texts or named:
        with EmbedProgress(len(named), quiet=quiet) as progress:
            embed_texts_then_pictures(plan, texts, named, begin, progress)
    return collected, vectors


def _of_pictures(collected: Collected, pictures: Labelled) -> Examples:
    if not collected.rows:
        raise TooFewHeadExamples("no picture can be read.", "Name a folder with others.")
    shows = np.array([pictures.shows[row.source or ""] for row in collected.rows], np.bool_)
    vectors = collected.vectors
    return Examples(
        vectors, shows, group_examples(vectors, [row.sha256 or "" for row in collected.rows])
    )


def _of_decisions(
    file: Path, label: str, card: ModelCard, folder: DataFolder, environment: StoreEnvironment
) -> tuple[Examples, int]:
    """The examples, and how many decisions gave none, each of which is told."""
    usable: list[Example] = []
    passed: Counter[Passed] = Counter()
    wanted = read_decisions(file, label)
    with joined_or_own_stores(folder, environment) as stores:
        for found in stored_examples(stores, card.key, wanted):
            if isinstance(found, Example):
                usable.append(found)
            else:
                passed[found] += 1
    for one, times in passed.items():
        several = f" ({times} times)" if times > 1 else ""
        tell(f"passed over: {displayed_name(one.video)}: {one.reason}{several}")
    if not usable:
        raise TooFewHeadExamples(
            "none of the decisions is on a frame that is stored for this model.",
            "Analyse their videos with --model first, or name the model they were analysed with.",
        )
    vectors = np.stack([one.vector for one in usable])
    shows = np.array([one.shows for one in usable], np.bool_)
    groups = group_examples(vectors, [one.origin for one in usable])
    return Examples(vectors, shows, groups), passed.total()


def _keep(draft: FileDraft, target: Path, head: Head) -> None:
    try:
        draft.file.write(head.to_json().encode() + b"\n")
        draft.keep()
    except OSError as error:
        raise unwritable(str(target), error) from error
