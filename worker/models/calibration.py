"""The pictures by which a model was made int8: kept per model, and part of its identity.

Ranges of activations are taken from them. Drawn pictures do not do for trained weights: with them
the starter's vectors of photos came out at a cosine of 0.79, with photos at 0.998.
"""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_data_path

from worker.errors import ModelUncalibrated
from worker.models.card import ModelCard

PICTURES_MIN = 16
PICTURES_MAX = 256
"""More took longer and changed nothing that we could measure."""

Pictures = NDArray[np.uint8]


def calibrated(card: ModelCard) -> ModelCard:
    """The card in int8, with the hash of the pictures that are kept for its model.

    Raises ModelUncalibrated where there are none.
    """
    content = _read(card)
    sha256 = hashlib.sha256(content).hexdigest()
    return replace(card, precision="int8", calibration_sha256=sha256)


def store_calibration(card: ModelCard, pictures: Pictures) -> ModelCard:
    """Keep pictures for a model, in place of earlier ones; returns its card in int8.

    `pictures` is uint8 `[n, size, size, 3]` in the model's geometry, n from PICTURES_MIN to
    PICTURES_MAX; raises ValueError for anything else.
    """
    size_px = card.geometry.size_px
    if pictures.dtype != np.uint8 or pictures.shape[1:] != (size_px, size_px, 3):
        raise ValueError(f"{card.id} takes uint8 [n, {size_px}, {size_px}, 3]")
    if not PICTURES_MIN <= len(pictures) <= PICTURES_MAX:
        raise ValueError(f"{PICTURES_MIN} to {PICTURES_MAX} pictures, not {len(pictures)}")
    path = _path(card)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as draft:
        try:
            np.save(draft, pictures, allow_pickle=False)
            draft.flush()
            Path(draft.name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(draft.name).unlink()
            raise
    return calibrated(card)


def calibration_pictures(card: ModelCard) -> Pictures:
    """The pictures by which exactly this card was made, uint8 `[n, size, size, 3]`.

    Raises ModelUncalibrated where they are gone, or others by now.
    """
    content = _read(card)
    size_px = card.geometry.size_px
    if hashlib.sha256(content).hexdigest() == card.calibration_sha256:
        with suppress(ValueError, OSError):
            pictures = np.load(_path(card), allow_pickle=False)
            if pictures.dtype == np.uint8 and pictures.shape[1:] == (size_px, size_px, 3):
                return np.asarray(pictures, np.uint8)
    raise ModelUncalibrated(
        f"{card.id} was made int8 by other pictures than those that are kept for it now.",
        "Start whoever serves it again: it then takes the pictures of now, under another key.",
    )


def _path(card: ModelCard) -> Path:
    name = f"{card.weights_sha256[:32]}-{card.geometry.name}.npy"
    return user_data_path("clipwarden") / "int8" / name


def _read(card: ModelCard) -> bytes:
    try:
        return _path(card).read_bytes()
    except OSError as error:
        raise ModelUncalibrated(
            f"{card.id} was never calibrated for int8 on this machine.",
            f"Show it some pictures of the kind you have: clipwarden models calibrate {card.id} "
            "PICTURES, or use --precision bfloat16.",
        ) from error
