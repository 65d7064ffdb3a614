"""The manifest beside a model that was fetched into a plain folder: what belongs there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from worker.errors import UnsupportedModel
from worker.models.folder import read_json

MANIFEST = "clipwarden-model.json"
_SCHEMA = "clipwarden.model/1"
_REPO = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CURE = "Fetch the model again into an empty folder: clipwarden models pull NAME --to FOLDER."


@dataclass(frozen=True)
class Manifest:
    """Where a folder's files come from, and the sha256 of each by its name.

    While a model is being fetched no files are named.
    """

    repo: str
    commit: str
    files: Mapping[str, str]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it beside the files, readable by people too; raises OSError."""
    text = json.dumps({"schema": _SCHEMA} | asdict(manifest), indent=2)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, None without one; raises UnsupportedModel for what is none."""
    path = folder / MANIFEST
    if not path.exists():
        return None
    content = read_json(path)
    repo, commit, files = (content.get(name) for name in ("repo", "commit", "files"))
    # Both stand in a command that we tell people to run.
    is_named = _matches(_REPO, repo) and _matches(_COMMIT, commit)
    if content.get("schema") != _SCHEMA or not is_named:
        raise UnsupportedModel(f"{path} is no manifest of ours.", _CURE)
    if not isinstance(files, dict):
        raise UnsupportedModel(f"{path} names no files.", _CURE)
    for name, sha256 in files.items():
        # It must not make us read, or tell of, what lies elsewhere.
        if Path(name).name != name or name in ("", "..") or not _matches(_SHA256, sha256):
            raise UnsupportedModel(f"{path} names {name[:100]!r}, no file beside it.", _CURE)
    return Manifest(str(repo), str(commit), files)


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
