"""What there is to fetch of a model: asked of the hub before anything is downloaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from huggingface_hub import HfApi

from worker.errors import UnsupportedModel
from worker.models.folder import PICKLES, PREPROCESSORS, VOCABULARIES, WEIGHTS, WEIGHTS_INDEX
from worker.models.hub import ANSWER_TIMEOUT_S, WANTED, candidate_revisions, hub_error

# Its front matter names the licence.
_README = "README.md"
# Vocabularies of a quarter of a million words have some 35 MB.
_SETTINGS_BYTES_MAX = 64 * 1024 * 1024
_CONVERT = (
    "Name a revision that has safetensors (the hub's own conversions are called {repo}@refs/pr/N; "
    "see the Community tab of its page), or convert it where that does no harm (from_pretrained, "
    "then save_pretrained) and name the folder."
)


@dataclass(frozen=True)
class HubFile:
    """A file of a repository; the hashes are what the hub says, as far as it does.

    Large files are known by `sha256`, others by git's `sha1`.
    """

    name: str
    size_bytes: int | None
    sha256: str | None
    sha1: str | None

    @property
    def cache_name(self) -> str | None:
        """What the hub's client calls the file in its cache."""
        return self.sha256 or self.sha1


@dataclass(frozen=True)
class DownloadPlan:
    """The files of one commit that a model needs; `revision` is None for the main branch."""

    repo: str
    revision: str | None
    commit: str
    files: tuple[HubFile, ...]

    @property
    def size_bytes(self) -> int:
        """How large all files are together, as far as the hub says."""
        return sum(file.size_bytes or 0 for file in self.files)


def plan_download(repo: str, revision: str | None) -> DownloadPlan:
    """Ask the hub what a model is made of.

    Raises ModelUnavailable when the hub can't be reached or refuses, UnknownModel when it has no
    such model or revision, UnsupportedModel when it has but not as safetensors.
    """
    lacks = ""
    for candidate in candidate_revisions(repo, revision):
        try:
            info = HfApi().model_info(
                repo, revision=candidate, timeout=ANSWER_TIMEOUT_S, files_metadata=True
            )
        except Exception as error:
            raise hub_error(repo, candidate, error) from error
        files = [_hub_file(sibling) for sibling in info.siblings or ()]
        names = {file.name for file in files}
        missing = _missing(names)
        if missing is None:
            return DownloadPlan(repo, candidate, str(info.sha), _wanted(files))
        lacks = lacks or missing
    raise UnsupportedModel(f"{repo} on the hub {lacks}", _CONVERT.format(repo=repo))


def _missing(names: set[str]) -> str | None:
    """What a repository of these files lacks; None where it has all that a model needs."""
    if not names & {WEIGHTS, WEIGHTS_INDEX}:
        pickles = sorted(names & {*PICKLES})
        if pickles:
            return (
                f"holds its weights as a pickle only ({pickles[0]}), which could run any code "
                "when opened; nothing was downloaded."
            )
        return f"holds no {WEIGHTS}; nothing was downloaded."
    for wanted, what in (
        (("config.json",), "config.json"),
        (PREPROCESSORS, "preprocessor_config.json"),
        (VOCABULARIES, "tokenizer"),
    ):
        if not names & {*wanted}:
            return f"holds no {what}: it is no dual encoder. Nothing was downloaded."
    return None


def _wanted(files: Iterable[HubFile]) -> tuple[HubFile, ...]:
    """What we read of them: no pickles, no code, no weights of other programs, no subfolders."""
    chosen = [file for file in files if _is_wanted(file)]
    if any(file.name == WEIGHTS for file in chosen):
        # The same weights once more, in pieces.
        chosen = [file for file in chosen if not _is_shard(file.name)]
    return tuple(sorted(chosen, key=lambda file: (file.size_bytes or 0, file.name)))


def _is_wanted(file: HubFile) -> bool:
    if "/" in file.name or "\\" in file.name or file.name.startswith("."):
        return False
    if file.name != _README and not any(fnmatch(file.name, pattern) for pattern in WANTED):
        return False
    return file.name.endswith(".safetensors") or (file.size_bytes or 0) <= _SETTINGS_BYTES_MAX


def _is_shard(name: str) -> bool:
    return name == WEIGHTS_INDEX or (name != WEIGHTS and name.endswith(".safetensors"))


def _hub_file(sibling: Any) -> HubFile:
    """The client's own types of this changed between versions."""
    size = sibling.size if type(sibling.size) is int else None
    sha256 = sibling.lfs.sha256 if sibling.lfs is not None else None
    sha1 = sibling.blob_id if sha256 is None else None
    return HubFile(sibling.rfilename, size, _hex(sha256, 64), _hex(sha1, 40))


def _hex(value: object, length: int) -> str | None:
    """A stranger's hash, which becomes a file name."""
    is_hash = (
        isinstance(value, str) and len(value) == length and not {*value} - {*"0123456789abcdef"}
    )
    return str(value) if is_hash else None
