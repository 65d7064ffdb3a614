"""`clipwarden embed`: picture files or texts in, a file of vectors out."""

from __future__ import annotations

from typing import Annotated

import typer

from clipwarden.cli.embed_progress import EmbedProgress
from clipwarden.cli.errors import EXIT_SOME_INPUTS_FAILED
from clipwarden.cli.limits import decode_limits
from clipwarden.cli.options import (
    DEFAULT_MODEL,
    Limits,
    Model,
    PrecisionName,
    PrecisionOption,
    Quiet,
)
from clipwarden.cli.picture_words import FromFile, Images, opened_list, pictures_of, tell
from clipwarden.embedding.images import read_texts
from clipwarden.embedding.output import VectorFormat, VectorTarget, drafts_of
from clipwarden.embedding.run import Plan, embed_pictures, embed_texts
from clipwarden.roles import default_batch_size
from clipwarden.wanted_model import WantedModel
from worker.vector_messages import MAX_BATCH_SIZE

Texts = Annotated[
    list[str] | None,
    typer.Option("--text", "-t", help="A text instead of pictures; give it again for more."),
]
TextsFrom = Annotated[
    str | None,
    typer.Option(metavar="LIST", help="A file with texts, one a line; - is stdin."),
]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|-",
        help="Where vectors go: .npy or .parquet; - is stdout.",
        show_default=False,
    ),
]
Format = Annotated[
    VectorFormat | None,
    typer.Option("--format", "-f", help="By default what the output's suffix says; npy on stdout."),
]
Device = Annotated[str, typer.Option(help="Where the model runs: cpu, openvino, cuda:1, hpu.")]
BatchSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MAX_BATCH_SIZE,
        help="Pictures or texts per run of the model; by default what suits the device.",
        show_default=False,
    ),
]


def embed(
    output: Output,
    images: Images = None,
    text: Texts = None,
    from_file: FromFile = None,
    texts_from: TextsFrom = None,
    output_format: Format = None,
    model: Model = DEFAULT_MODEL,
    device: Device = "cpu",
    precision: PrecisionOption = PrecisionName.AUTO,
    batch_size: BatchSize = None,
    limit: Limits = None,
    quiet: Quiet = False,
) -> None:
    """Write the vectors of pictures, or of texts, as NPY or Parquet.

    Each picture is decoded as `analyze` decodes it, walled in, some at a time beside the model. Of
    an animation it is the first frame. An NPY file has a neighbour, `vectors.json` of
    `vectors.npy`, which says what each row is of, how the vectors were made, and what failed;
    Parquet (extra `parquet`) has all that inside. Nothing is left of a run that does not end.

    Exit status 0: every input has its vector. 1: the output can't be written, or the run broke
    off. 2: the command line or the model is wrong, nothing was done. 3: some inputs failed, the
    others' vectors are written.

    Examples:

      clipwarden embed --output vectors.npy photos/

      clipwarden embed --text "a dog" --text "a cat" --output texts.npy

      find /archive -name '*.jpg' | clipwarden embed --output vectors.parquet -

      clipwarden embed --model starter --texts-from queries.txt --output - > queries.npy
    """
    wanted = WantedModel(model, precision.value, (device,))
    limits = decode_limits(limit)
    target = VectorTarget.named(output, output_format)
    texts = _texts(text, texts_from)
    names = pictures_of(images, from_file)
    if bool(texts) == bool(names):
        raise typer.BadParameter("name pictures or texts: one of both, and at least one of it.")
    # That a file can't be written is told before a model is fetched.
    with drafts_of(target) as drafts:
        plan = Plan(wanted.resolve(), device, batch_size or default_batch_size(device), limits)
        with EmbedProgress(len(names) or len(texts), quiet=quiet) as progress:
            if names:
                rows, failures = embed_pictures(plan, names, drafts, progress)
            else:
                rows, failures = embed_texts(plan, texts, drafts, progress)
        drafts.keep()
    if target.path is not None and not quiet:
        failed = f", {failures} failed" if failures else ""
        tell(f"{target.path}: {rows} vectors of {plan.card.dimension}{failed}.")
    if failures:
        raise typer.Exit(EXIT_SOME_INPUTS_FAILED)


def _texts(texts: list[str] | None, texts_from: str | None) -> list[str]:
    found = list(texts or [])
    if any("\ud800" <= c <= "\udfff" for text in found for c in text):
        raise typer.BadParameter("a text is not UTF-8.", param_hint="--text")
    if texts_from is not None:
        with opened_list(texts_from, "--texts-from") as lines:
            try:
                found += read_texts(lines)
            except UnicodeDecodeError as error:
                raise typer.BadParameter(
                    f"{texts_from} is not UTF-8.", param_hint="--texts-from"
                ) from error
    return found
