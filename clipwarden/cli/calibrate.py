"""`clipwarden models calibrate`: show a model the pictures that its int8 is made by."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

from clipwarden.cli.errors import print_error
from clipwarden.cli.options import Quiet
from clipwarden.embedding.images import Named, Unfit, named_pictures
from clipwarden.roles import usable_cores
from ingest.errors import MediaError
from ingest.media.limits import DecodeLimits
from ingest.media.pictures import PictureDecoders
from worker.errors import ModelUncalibrated
from worker.models.calibration import PICTURES_MAX, PICTURES_MIN, Pictures, store_calibration
from worker.models.card import ModelCard
from worker.models.resolve import resolve_model

_AHEAD = 8

Name = Annotated[
    str, typer.Argument(metavar="MODEL", help="A hub id, a local folder, or `starter`.")
]
Images = Annotated[
    list[str],
    typer.Argument(metavar="IMAGE|FOLDER...", help="Picture files, folders of them."),
]


def calibrate(model: Name, images: Images, quiet: Quiet = False) -> None:
    """Show a model pictures of the kind you have, for `--precision int8`.

    int8 takes the ranges of a network's numbers from these pictures: frames of your own videos
    are the best. Up to 256 are used, spread evenly over those that are named, and at least 16 are
    needed. They are kept in the user's data folder, and their hash is part of the model's key:
    with other pictures it is another model, whose embeddings are not mixed with the first one's.

    Exit status 0: the model has an int8 now. 2: the command line or the model is wrong, or too
    few of the pictures can be read; nothing was changed.

    Examples:

      clipwarden models calibrate starter frames/

      clipwarden models calibrate openai/clip-vit-base-patch32 photos/ more/*.jpg
    """
    card = resolve_model(model)
    named = list(named_pictures(images, lambda _: None))
    pictures = _decoded(card, _spread(named))
    if len(pictures) < PICTURES_MIN:
        raise ModelUncalibrated(
            f"{len(pictures)} pictures can be read, {PICTURES_MIN} are needed.",
            "Name more of them; a hundred frames of your own videos are plenty.",
        )
    made = store_calibration(card, pictures)
    if not quiet:
        typer.echo(f"{made.id} in int8, by {len(pictures)} pictures: key {made.key}")
        typer.echo("Use it: --device openvino --precision int8. The first start takes a minute.")


def _spread(named: list[Named]) -> list[Named]:
    """As many as are used, at even distances: neighbours are often frames of one scene."""
    if len(named) <= PICTURES_MAX:
        return named
    return [named[index * len(named) // PICTURES_MAX] for index in range(PICTURES_MAX)]


def _decoded(card: ModelCard, named: list[Named]) -> Pictures:
    """What can be read of them, in the model's geometry; the others are told of."""
    squares = []
    limits = DecodeLimits()
    with PictureDecoders(card.geometry, limits, usable_cores()) as decoders:
        outcomes = decoders.decode_all((one for one in named if isinstance(one, str)), _AHEAD)
        for one in named:
            outcome = one.error if isinstance(one, Unfit) else next(outcomes)
            if isinstance(outcome, MediaError):
                print_error(outcome)
            else:
                squares.append(outcome.pixels)
    size_px = card.geometry.size_px
    return np.stack(squares) if squares else np.empty((0, size_px, size_px, 3), np.uint8)
