"""Models as OpenVINO reads them: converted once per machine, and kept in the user's cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from platformdirs import user_cache_path

from worker.errors import DeviceUnavailable, ModelError, UnsupportedModel
from worker.models.calibration import calibration_pictures
from worker.models.card import ModelCard

_CONVERSION = 1
"""Counts up when what is kept here comes out otherwise."""
_TIMEOUT_S = 1800.0
UNFINISHED = ".making-"
"""Begins the names of folders in which a model is written, and that a killed process leaves."""
# Both report to their makers which models people convert, unless they believe to be in CI.
_NO_TELEMETRY = {"CI": "true", "NNCF_CI": "1"}
_INSTALL = "Install it: pip install 'clipwarden[openvino]'"


def converted_model(card: ModelCard) -> Path:
    """Return the XML of a converted model, its weights beside it; converts what is not there.

    That takes some ten seconds, for int8 a minute. Raises DeviceUnavailable where the extra is
    missing or nothing can be kept, ModelError where the model can't be converted.
    """
    folder = _folder(card)
    if not (folder / "model.xml").is_file():
        _convert(card, folder)
    return folder / "model.xml"


def _folder(card: ModelCard) -> Path:
    releases = [version("openvino"), version("torch"), version("transformers")]
    if card.precision == "int8":
        releases.append(_version_of_nncf())
    # bfloat16 is a matter of how a model is run, not of what is kept.
    kept = card if card.precision == "int8" else replace(card, precision="float32")
    # By the key: preprocessing is the first layer, and not told by the hash of the weights.
    name = "-".join([kept.key, str(_CONVERSION), *releases])
    return user_cache_path("clipwarden") / "openvino" / name


def _version_of_nncf() -> str:
    try:
        return version("nncf")
    except PackageNotFoundError as error:
        raise DeviceUnavailable("int8 needs nncf, which is not installed.", _INSTALL) from error


def _convert(card: ModelCard, folder: Path) -> None:
    """In a process of its own: converting takes memory that an embedder would keep for good."""
    cure = "Use --device cpu."
    if card.precision == "int8":
        # Without them the process could only fail, in words of its own.
        calibration_pictures(card)
        cure = "Use --precision float32."
    _make_writable(folder.parent)
    _clear_away_unfinished(folder.parent)
    request = json.dumps({"card": card.to_json(), "folder": os.fspath(folder)})
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "worker.encoders.runtimes.openvino_convert"],
            input=request,
            env=os.environ | _NO_TELEMETRY,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"{card.id} could not be converted for OpenVINO within {_TIMEOUT_S / 60:.0f} minutes.",
            cure,
        ) from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise UnsupportedModel(
            f"{card.id} can't be converted for OpenVINO: {lines[-1][:300]}", cure
        )


def _make_writable(folder: Path) -> None:
    """Make the folder and see, before minutes of work, that something can be put there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise DeviceUnavailable(
            f"{folder}, where converted models are kept, can't be written: {error.strerror}.",
            "Set XDG_CACHE_HOME to a folder that can be written, or use --device cpu.",
        ) from error


def _clear_away_unfinished(folder: Path) -> None:
    """Delete what conversions left that can't be running any more: it is as large as a model."""
    for left in folder.glob(f"{UNFINISHED}*"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > 2 * _TIMEOUT_S:
                shutil.rmtree(left, ignore_errors=True)
