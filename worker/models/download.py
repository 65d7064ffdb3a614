"""Downloading a model's files: taken up again where they broke off, and checked by their hashes.

The hub's client begins a broken download anew; here what has come stays.
"""

from __future__ import annotations

import errno
import fcntl
import io
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import constants, hf_hub_download, hf_hub_url
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils.tqdm import disable_progress_bars

from worker.errors import ModelError, ModelUnavailable
from worker.models.download_plan import DownloadPlan, HubFile
from worker.models.hashing import file_sha1s, file_sha256
from worker.models.hub import ANSWER_TIMEOUT_S, hub_refusal
from worker.models.manifest import MANIFEST, Manifest, read_manifest, write_manifest

FetchProgress = Callable[[str, int], None]
"""Is told the name of the file that is being fetched, and how many bytes of all files are here."""

# As the client calls its own, so that `hf cache prune` clears away what was given up.
_PART = ".incomplete"
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_AGAIN = "Try again: what has come is kept, and the rest is fetched."


def download_to_cache(plan: DownloadPlan, progress: FetchProgress) -> Path:
    """Put a model into the hub's cache, where every program that uses it finds it.

    Returns its folder there; raises ModelUnavailable.
    """
    blobs = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=plan.repo, repo_type="model")
    blobs /= "blobs"
    with _wrapped(plan):
        blobs.mkdir(parents=True, exist_ok=True)
        _check_room(plan, blobs, [file.cache_name for file in plan.files])
        for file, before in _counted(plan, progress):
            if file.cache_name is not None and not (blobs / file.cache_name).exists():
                _fetch(plan, file, blobs / file.cache_name, before, progress)
            folder = Path(_place_in_cache(plan, file.name, plan.commit)).parent
        # The name of the branch leads to the commit from now on, also without a network.
        _place_in_cache(plan, "config.json", plan.revision)
    return folder


def download_to_folder(plan: DownloadPlan, folder: Path, progress: FetchProgress) -> None:
    """Put a model into a plain folder, for a machine without network; with a manifest.

    Raises ModelUnavailable.
    """
    with _wrapped(plan):
        folder.mkdir(parents=True, exist_ok=True)
        _check_room(plan, folder, [file.name for file in plan.files])
        write_manifest(folder, Manifest(plan.repo, plan.commit, {}))
        for file, before in _counted(plan, progress):
            here = folder / file.name
            if not here.exists() or not _is_sound(here, file):
                _fetch(plan, file, here, before, progress)
        files = {file.name: file_sha256(folder / file.name) for file in plan.files}
        write_manifest(folder, Manifest(plan.repo, plan.commit, dict(sorted(files.items()))))


def obstacle(plan: DownloadPlan, folder: Path) -> str | None:
    """Why a folder can't take a model: it holds something else. None where it can.

    Raises UnsupportedModel for a manifest that can't be understood.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    if not (folder / MANIFEST).exists():
        return f"{folder} holds other files."
    manifest = read_manifest(folder)
    if manifest is not None and (manifest.repo, manifest.commit) != (plan.repo, plan.commit):
        return f"{folder} holds {manifest.repo} at commit {manifest.commit}."
    return None


def quiet_client() -> None:
    """Keep the hub's client from drawing bars and telling of retries: progress is told by us."""
    disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def _counted(plan: DownloadPlan, progress: FetchProgress) -> Iterator[tuple[HubFile, int]]:
    """Yield the files, each with the bytes of those before it."""
    before = 0
    for file in plan.files:
        progress(file.name, before)
        yield file, before
        before += file.size_bytes or 0
        progress(file.name, before)


def _fetch(
    plan: DownloadPlan, file: HubFile, target: Path, before: int, progress: FetchProgress
) -> None:
    part = target.with_name(target.name + _PART)
    with _locked(part, plan) as stream:
        stream.told = lambda size: progress(file.name, before + size)
        have = stream.seek(0, io.SEEK_END)
        if file.size_bytes is not None and have > file.size_bytes:
            have = stream.seek(0)
            stream.truncate()
        http_get(
            hf_hub_url(plan.repo, file.name, revision=plan.commit),
            stream,
            resume_size=have,
            headers=build_hf_headers(),
            expected_size=file.size_bytes,
        )
        stream.flush()
        os.fsync(stream.fileno())
        if not _is_sound(part, file):
            part.unlink()
            raise ModelUnavailable(
                f"{file.name} of {plan.repo} came damaged: its hash is not what the hub says.",
                "Try again; if it stays so, something between here and the hub changes files.",
            )
        part.replace(target)


def _is_sound(part: Path, file: HubFile) -> bool:
    if file.sha256 is not None:
        return file_sha256(part) == file.sha256
    return file.sha1 is None or file.sha1 in file_sha1s(part)


class _Stream(io.BufferedRandom):
    """A file that tells how long it is whenever it has grown."""

    told: Callable[[int], None]

    def write(self, data: bytes) -> int:  # type: ignore[override] # narrower: bytes are all we get
        written = super().write(data)
        self.told(self.tell())
        return written


@contextmanager
def _locked(part: Path, plan: DownloadPlan) -> Iterator[_Stream]:
    """Open a partial file that no other process writes to meanwhile."""
    handle = os.open(part, os.O_RDWR | os.O_CREAT, 0o644)
    with _Stream(io.FileIO(handle, "r+")) as stream:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ModelUnavailable(
                f"Another process is fetching {plan.repo} right now.", "Wait until it has ended."
            ) from error
        yield stream


def _place_in_cache(plan: DownloadPlan, name: str, revision: str | None) -> str:
    """Let the hub's client make the entry; it downloads what is not there yet."""
    return hf_hub_download(plan.repo, name, revision=revision, etag_timeout=ANSWER_TIMEOUT_S)


def _check_room(plan: DownloadPlan, folder: Path, names: list[str | None]) -> None:
    here = [folder / f"{name}{suffix}" for name in names if name for suffix in ("", _PART)]
    there = sum(path.stat().st_size for path in here if path.is_file())
    needed, free = plan.size_bytes - there, shutil.disk_usage(folder).free
    if needed > free:
        raise ModelUnavailable(
            f"{plan.repo} takes {needed / 1e6:.0f} MB more, and {folder} has room for "
            f"{free / 1e6:.0f} MB.",
            "Make room, or choose another place with HF_HOME or --to FOLDER.",
        )


@contextmanager
def _wrapped(plan: DownloadPlan) -> Iterator[None]:
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and (error.errno in _DISK_ERRORS or error.filename):
            place = f"{error.filename}: " if error.filename else ""
            raise ModelUnavailable(
                f"{plan.repo} can't be stored: {place}{error.strerror}.",
                "Make room, mend the permissions, or choose another place (HF_HOME, --to FOLDER).",
            ) from error
        if (refusal := hub_refusal(plan.repo, plan.revision, error)) is not None:
            raise refusal from error
        lines = str(error).splitlines() or [type(error).__name__]
        raise ModelUnavailable(
            f"The download of {plan.repo} broke off: {lines[0][:200]}", _AGAIN
        ) from error
