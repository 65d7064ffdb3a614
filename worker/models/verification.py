"""Whether a model's files are what they should be, and nothing that could do harm among them."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from worker.errors import ModelError, UnsupportedModel
from worker.models.card import ModelCard
from worker.models.file_hashes import FileHashes
from worker.models.folder import (
    TOKENIZER_FILES,
    WEIGHTS,
    WEIGHTS_INDEX,
    find_weights,
    folder_card,
    read_json,
    read_model_type,
)
from worker.models.hashing import file_sha1s
from worker.models.manifest import MANIFEST, read_manifest
from worker.models.network_shapes import wrong_shapes
from worker.models.starter import STARTER_ID, find_starter_files, starter_card
from worker.models.weights_header import TensorInfo, read_weights_header

_AGAIN = "Fetch the model again: clipwarden models pull NAME."
# A vocabulary of a quarter of a million words, in JSON.
_TOKENIZER_BYTES_MAX = 64 * 1024 * 1024
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".h5", ".keras")
_CODE = (".py", ".pyc", ".so", ".sh", ".exe", ".dll", ".js")
_COMPLAINTS_MAX = 5


class Verdict(StrEnum):
    """What a check came to."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """What was found about one file of a model."""

    file: str
    verdict: Verdict
    detail: str
    cure: str = ""


@dataclass(frozen=True)
class Verified:
    """A model and all that was found; without a card it can't be run."""

    id: str
    revision: str | None
    folder: Path | None
    card: ModelCard | None
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing failed; notes are no failures."""
        return all(finding.verdict is not Verdict.FAILED for finding in self.findings)


def verify_starter() -> Verified:
    """Hash the starter's files against those that it was published with."""
    try:
        card, files = starter_card("float32"), find_starter_files()
        header = read_weights_header(files.sentence_encoder / "model.safetensors")
    except ModelError as error:
        return Verified(STARTER_ID, None, None, None, (_failed(STARTER_ID, error),))
    findings = (
        Finding(files.classifier.name, Verdict.OK, "sha256 as published"),
        Finding("model.safetensors", Verdict.OK, f"sha256 as published, {len(header)} tensors"),
    )
    return Verified(STARTER_ID, None, card.folder, card, findings)


def verify_folder(
    folder: Path, model_id: str, revision: str | None, hashes: FileHashes
) -> Verified:
    """Read and hash every file of a model; `hashes` should read anew. Raises OSError."""
    card, refused = None, list[Finding]()
    compared = list(_compare(folder, hashes))
    try:
        card = folder_card(folder, model_id, revision, "float32", hashes)
    except UnsupportedModel as error:
        refused = [_failed("model", error, folder)]
    # What hinders a model can be met twice, on the way to its card and to its weights.
    met = {finding.detail for finding in refused}
    parts = [finding for finding in _check_parts(folder) if finding.detail not in met]
    findings = (*compared, *refused, *parts, *_look_around(folder))
    return Verified(model_id, revision, folder, card, findings)


def _compare(folder: Path, hashes: FileHashes) -> Iterator[Finding]:
    try:
        manifest = read_manifest(folder)
    except UnsupportedModel as error:
        yield _failed(MANIFEST, error, folder)
        return
    if manifest is not None:
        again = f"clipwarden models pull {manifest.repo}@{manifest.commit} --to {folder}"
        again = f"Fetch what is wrong again: {again}"
        if not manifest.files:
            yield Finding(MANIFEST, Verdict.FAILED, "the model was not fetched to its end", again)
        for name, sha256 in manifest.files.items():
            yield _compare_one(folder / name, sha256, again, hashes)
        others = {path.name for path in folder.iterdir()} - {*manifest.files, MANIFEST}
        if others:
            names = ", ".join(sorted(others))
            yield Finding(MANIFEST, Verdict.NOTE, f"does not name {names}"[:300])
    elif folder.parent.name == "snapshots":
        for path in sorted(folder.iterdir()):
            if not path.is_dir():
                again = f"Delete {path.resolve()}, then fetch the model again."
                yield _compare_one(path, _blob_name(path), again, hashes)
    else:
        yield Finding(
            str(folder), Verdict.NOTE, "no manifest and no hub's cache: no hashes to compare with"
        )


def _blob_name(path: Path) -> str:
    """The name of the file in the hub's cache that a name in a snapshot leads to: its hash."""
    return path.readlink().name if path.is_symlink() else ""


def _compare_one(path: Path, wanted: str, again: str, hashes: FileHashes) -> Finding:
    if not path.is_file():
        return Finding(path.name, Verdict.FAILED, "is missing", again)
    if len(wanted) == 40:
        # What is not stored as a large file has git's hash in the hub's cache, or plain sha1.
        kind, is_same = "sha1", wanted in file_sha1s(path)
    elif len(wanted) == 64:
        kind, is_same = "sha256", wanted == hashes.sha256(path)
    else:
        return Finding(path.name, Verdict.NOTE, "there is no hash of it to compare with")
    if is_same:
        return Finding(path.name, Verdict.OK, f"{kind} as it should be")
    return Finding(
        path.name,
        Verdict.FAILED,
        f"its {kind} is not what it should be: it was changed or is damaged",
        again,
    )


def _check_parts(folder: Path) -> Iterator[Finding]:
    try:
        tensors = dict[str, TensorInfo]()
        for path in find_weights(folder):
            header = read_weights_header(path)
            _check_index(folder, path, header)
            tensors |= header
            yield Finding(path.name, Verdict.OK, f"sound header, {len(header)} tensors")
        yield from _check_shapes(folder, tensors)
        for name in TOKENIZER_FILES:
            if name.endswith(".json") and (folder / name).is_file():
                read_json(folder / name, _TOKENIZER_BYTES_MAX)
    except UnsupportedModel as error:
        yield _failed("weights", error, folder)


def _check_index(folder: Path, path: Path, header: Mapping[str, TensorInfo]) -> None:
    """Where weights are in several files, each must hold what the index promises of it."""
    if path.name == WEIGHTS:
        return
    index = read_json(folder / WEIGHTS_INDEX)["weight_map"]
    promised = {tensor for tensor, name in index.items() if name == path.name}
    if missing := sorted(promised - header.keys()):
        raise UnsupportedModel(f"{path} lacks {missing[0][:100]!r}, which its index names.", _AGAIN)


def _check_shapes(folder: Path, tensors: dict[str, TensorInfo]) -> Iterator[Finding]:
    config = read_json(folder / "config.json")
    wrong = list(wrong_shapes(read_model_type(folder), config, tensors))
    for complaint in wrong[:_COMPLAINTS_MAX]:
        yield Finding("config.json", Verdict.FAILED, complaint, _AGAIN)
    if not wrong:
        yield Finding("config.json", Verdict.OK, "the weights have the shapes it speaks of")
    if "auto_map" in config:
        yield Finding("config.json", Verdict.NOTE, "names code of its own, which is never run")


def _look_around(folder: Path) -> Iterator[Finding]:
    """Note what lies beside the model's files and could do harm in other programs."""
    for path in sorted(folder.iterdir()):
        name = path.name
        if path.suffix.lower() in _PICKLED:
            yield Finding(name, Verdict.NOTE, "may be a pickle, which we never open")
        elif path.suffix.lower() in _CODE:
            yield Finding(name, Verdict.NOTE, "is code, which we never run")
        elif path.is_file() and path.stat().st_mode & stat.S_IXUSR:
            yield Finding(name, Verdict.NOTE, "is marked as executable; we never run it")


def _failed(file: str, error: ModelError, folder: Path | None = None) -> Finding:
    # The folder is told once, above all findings.
    message = error.message.replace(f"{folder}/", "") if folder else error.message
    return Finding(file, Verdict.FAILED, message, error.cure)
