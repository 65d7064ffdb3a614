"""Models as OpenVINO reads them: converted once per machine, and kept in the user's cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from platformdirs import user_cache_path

from worker.errors import DeviceUnavailable, ModelError, UnsupportedModel
from worker.models.card import ModelCard

_CONVERSION = 1
"""Counts up when what is kept here comes out otherwise."""
_TIMEOUT_S = 1800.0
# Both report to their makers which models people convert, unless they believe to be in CI.
_NO_TELEMETRY = {"CI": "true", "NNCF_CI": "1"}
_INSTALL = "Install it: pip install 'clipwarden[openvino]'"


def converted_model(card: ModelCard) -> Path:
    """Return the XML of a converted model, its weights beside it; converts what is not there.

    That takes some ten seconds, for int8 a minute. Raises DeviceUnavailable where the extra is
    missing, ModelError where the model can't be converted.
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
    kept = "float"
    if card.precision == "int8":
        kept = f"int8-{card.calibration_sha256 or ''}"[:21]
    name = "-".join([card.weights_sha256[:32], kept, str(_CONVERSION), *releases])
    return user_cache_path("clipwarden") / "openvino" / name


def _version_of_nncf() -> str:
    try:
        return version("nncf")
    except PackageNotFoundError as error:
        raise DeviceUnavailable("int8 needs nncf, which is not installed.", _INSTALL) from error


def _convert(card: ModelCard, folder: Path) -> None:
    """In a process of its own: converting takes memory that an embedder would keep for good."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DeviceUnavailable(
            f"{folder.parent}, where converted models are kept, can't be made: {error.strerror}.",
            "Set XDG_CACHE_HOME to a folder that can be written, or use --device cpu.",
        ) from error
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
            "Use --device cpu.",
        ) from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise UnsupportedModel(
            f"{card.id} can't be converted for OpenVINO: {lines[-1][:300]}", "Use --device cpu."
        )
