"""From the name a user gives to the identity of a model on this machine; imports no torch."""

from __future__ import annotations

import re
from pathlib import Path

from worker.errors import UnknownModel
from worker.models.calibration import calibrated
from worker.models.card import ModelCard, Precision
from worker.models.file_hashes import FileHashes
from worker.models.folder import folder_card
from worker.models.starter import STARTER_ID, starter_card

_HUB_ID = re.compile(r"(?P<repo>\w[\w.-]{0,95}/\w[\w.-]{0,95})(?:@(?P<revision>[\w./-]{1,200}))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_POSSIBLE = (
    "A model is named starter, by a local folder, or by a hub id such as "
    "openai/clip-vit-base-patch32 or org/name@revision."
)


def resolve_model(name: str, precision: Precision = "float32") -> ModelCard:
    """Find the files of a model and say what it is; downloads a hub model that is not cached.

    `name` is `starter`, a folder in the layout of transformers, or a hub id (`org/name`,
    `org/name@revision`); a folder of that name goes before the hub. Raises UnknownModel,
    ModelUnavailable, UnsupportedModel, or ModelUncalibrated for an int8 that was never made.
    """
    if precision == "int8":
        return calibrated(_resolve(name, "float32"))
    return _resolve(name, precision)


def _resolve(name: str, precision: Precision) -> ModelCard:
    if name == STARTER_ID:
        return starter_card(precision)
    folder = existing_folder(name)
    if folder is not None:
        return folder_card(folder, folder.name, None, precision, FileHashes.of_user())
    repo, revision = parse_hub_id(name)
    # Here only, for it takes half a second and most runs have their model at hand.
    from worker.models.hub import fetch

    folder = fetch(repo, revision)
    return folder_card(folder, repo, snapshot_commit(folder), precision, FileHashes.of_user())


def parse_hub_id(name: str) -> tuple[str, str | None]:
    """Split `org/name@revision`; the revision may be missing. Raises UnknownModel."""
    match = _HUB_ID.fullmatch(name)
    if match is None:
        raise UnknownModel(f"There is no model or folder {name[:200]!r}.", _POSSIBLE)
    return match["repo"], match["revision"]


def snapshot_commit(folder: Path) -> str | None:
    """The commit that a folder of the hub's cache is named by."""
    return folder.name if _COMMIT.fullmatch(folder.name) else None


def existing_folder(name: str) -> Path | None:
    """The folder of that name on this machine, if there is one."""
    if not name.strip():
        return None
    try:
        folder = Path(name).expanduser()
        if not folder.is_dir():
            return None
    except (OSError, RuntimeError, ValueError):
        # Too long for a file name, a null byte, or a ~user that doesn't exist.
        return None
    return folder.resolve()
