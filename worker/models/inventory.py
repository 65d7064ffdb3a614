"""Which models are on this machine: the starter, and what lies in the hub's cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from huggingface_hub import constants

from worker.errors import ModelError, ModelUncalibrated, UnknownModel, UnsupportedModel
from worker.models.calibration import calibrated
from worker.models.card import ModelCard, Precision
from worker.models.file_hashes import FileHashes
from worker.models.folder import find_weights, folder_card
from worker.models.licence import read_licence
from worker.models.starter import STARTER_ID, find_starter_files, starter_card

_STARTER_LICENCE = "apache-2.0"
_PREFIX = "models--"


@dataclass(frozen=True)
class LocalModel:
    """A model on this machine; `reason` says why we can't run it, and then it has no card.

    `branches` are the names that lead to its commit here; `last_used` is when its weights were
    last read, as far as the file system notes it.
    """

    id: str
    revision: str | None
    branches: tuple[str, ...]
    folder: Path | None
    size_bytes: int
    last_used: datetime | None
    licence: str
    card: ModelCard | None
    reason: ModelError | None


def keys_by_precision(card: ModelCard) -> dict[str, str]:
    """The key of a model in each precision it could be run in: each gives other vectors.

    int8 is one of them once it was calibrated here.
    """
    floats: tuple[Precision, ...] = ("float32", "bfloat16")
    keys = {precision: replace(card, precision=precision).key for precision in floats}
    with suppress(ModelUncalibrated):
        keys["int8"] = calibrated(card).key
    return {str(precision): key for precision, key in keys.items()}


def local_models(hashes: FileHashes) -> Iterator[LocalModel]:
    """Yield what is here, the starter first, then the hub's cache by name."""
    yield _starter()
    for repo, branches, snapshot in cached_snapshots():
        yield describe(snapshot, repo, snapshot.name, hashes, branches)


def describe(
    folder: Path,
    model_id: str,
    revision: str | None,
    hashes: FileHashes,
    branches: tuple[str, ...] = (),
) -> LocalModel:
    """Tell of the model in a folder, be it one that we run or not."""
    card, reason, weights = None, None, list[Path]()
    try:
        card = folder_card(folder, model_id, revision, "float32", hashes)
        weights = find_weights(folder)
    except UnsupportedModel as error:
        reason = error
    return LocalModel(
        id=model_id,
        revision=revision,
        branches=branches,
        folder=folder,
        size_bytes=_size_bytes(folder.rglob("*")),
        last_used=_last_read(weights),
        licence=read_licence(folder),
        card=card,
        reason=reason,
    )


def cached_snapshots() -> Iterator[tuple[str, tuple[str, ...], Path]]:
    """Yield id, branches and folder of every commit of a model in the hub's cache.

    The layout is the client's own: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    """
    cache = Path(constants.HF_HUB_CACHE)
    for repo in sorted(cache.glob(f"{_PREFIX}*/snapshots")):
        references = _references(repo.parent / "refs")
        for snapshot in sorted(path for path in repo.iterdir() if path.is_dir()):
            branches = tuple(name for name, commit in references if commit == snapshot.name)
            yield repo.parent.name.removeprefix(_PREFIX).replace("--", "/"), branches, snapshot


def _references(folder: Path) -> list[tuple[str, str]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        (str(path.relative_to(folder)), path.read_bytes()[:64].decode("ascii", "replace").strip())
        for path in files
    ]


def _starter() -> LocalModel:
    card, reason, files = None, None, list[Path]()
    try:
        card = starter_card("float32")
        found = find_starter_files()
        files = [found.classifier, found.sentence_encoder / "model.safetensors"]
    except (UnknownModel, UnsupportedModel) as error:
        reason = error
    return LocalModel(
        id=STARTER_ID,
        revision=None,
        branches=(),
        folder=card.folder if card else None,
        size_bytes=_size_bytes(files),
        last_used=_last_read(files),
        licence=_STARTER_LICENCE,
        card=card,
        reason=reason,
    )


def _size_bytes(paths: Iterable[Path]) -> int:
    """What the files take on disk; one that has two names counts once."""
    found = {path.resolve() for path in paths if path.is_file()}
    return sum(path.stat().st_size for path in found)


def _last_read(weights: Iterable[Path]) -> datetime | None:
    times = [path.stat().st_atime for path in weights]
    return datetime.fromtimestamp(max(times), UTC) if times else None
