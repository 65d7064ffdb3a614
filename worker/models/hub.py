"""Fetching a model's files from the Hugging Face hub: settings, vocabularies and safetensors."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from worker.errors import ModelError, ModelUnavailable, UnknownModel, UnsupportedModel
from worker.models.folder import holds_model

# No pickles, no code, and not the same weights again in other formats or subfolders.
WANTED = ["*.json", "*.txt", "*.model", "model.safetensors", "model-*.safetensors"]
_UNWANTED = ["*/*"]
ANSWER_TIMEOUT_S = 10.0
# Models whose main branch has pickles only, and the hub's own conversion of them.
_CONVERTED = {"openai/clip-vit-base-patch32": "refs/pr/15"}

_FETCH_BEFOREHAND = (
    "Fetch it where there is a network (clipwarden models pull {repo} --to FOLDER), copy the "
    "folder here and name it; --model starter needs no download."
)


def fetch(repo: str, revision: str | None) -> Path:
    """Return the folder of a hub model, from the local cache where it is whole, or downloaded.

    Raises ModelUnavailable when it is not cached and the hub can't be reached or refuses it,
    UnknownModel when the hub has no such model or revision, UnsupportedModel when it has but
    without safetensors.
    """
    cached = find_cached(repo, revision)
    if cached is not None and holds_model(cached):
        return cached
    for candidate in candidate_revisions(repo, revision):
        downloaded = _download(repo, candidate)
        if holds_model(downloaded):
            return downloaded
    raise UnsupportedModel(
        f"{repo} on the hub lacks a config.json, preprocessor_config.json, tokenizer or "
        "model.safetensors.",
        f"Name a revision that has them, such as {repo}@refs/pr/1 with a conversion, or convert "
        "the model and name its folder.",
    )


def candidate_revisions(repo: str, revision: str | None) -> list[str | None]:
    """The revisions to look for, the likeliest first; None is the main branch."""
    has_conversion = revision is None and repo in _CONVERTED
    return [revision, _CONVERTED[repo]] if has_conversion else [revision]


def find_cached(repo: str, revision: str | None) -> Path | None:
    """The folder of a revision in the hub's cache: a whole one, if there is none what there is."""
    found = [_cached(repo, candidate) for candidate in candidate_revisions(repo, revision)]
    folders = [folder for folder in found if folder is not None]
    return next((folder for folder in folders if holds_model(folder)), next(iter(folders), None))


def _cached(repo: str, revision: str | None) -> Path | None:
    """The folder of a cached revision, whole or not.

    snapshot_download would refuse one that lacks files of the repository which we don't want.
    """
    try:
        config = try_to_load_from_cache(repo, "config.json", revision=revision)
    except HFValidationError:
        return None
    return Path(config).parent if isinstance(config, str) else None


def _download(repo: str, revision: str | None) -> Path:
    try:
        # Asked first, for snapshot_download waits for ever on a hub that takes calls in silence.
        HfApi().model_info(repo, revision=revision, timeout=ANSWER_TIMEOUT_S)
        folder = snapshot_download(
            repo,
            revision=revision,
            allow_patterns=WANTED,
            ignore_patterns=_UNWANTED,
            etag_timeout=ANSWER_TIMEOUT_S,
        )
    except Exception as error:
        raise hub_error(repo, revision, error) from error
    return Path(folder)


def hub_error(repo: str, revision: str | None, error: Exception) -> ModelError:
    """What an error of the hub's client means where a model is not on this machine."""
    refusal = hub_refusal(repo, revision, error)
    if refusal is not None:
        return refusal
    reason = "downloads are switched off (HF_HUB_OFFLINE)"
    if not isinstance(error, OfflineModeIsEnabled):
        # The client raises errors of its HTTP library too, which changed between versions.
        lines = str(error).splitlines() or [type(error).__name__]
        reason = f"the hub gives no answer ({lines[0][:200]})"
    return ModelUnavailable(
        f"{repo} is not on this machine and {reason}.", _FETCH_BEFOREHAND.format(repo=repo)
    )


def hub_refusal(repo: str, revision: str | None, error: Exception) -> ModelError | None:
    """The error for what the hub refuses to give; None where it did not come to an answer."""
    if isinstance(error, GatedRepoError):
        return ModelUnavailable(
            f"{repo} is open only to those who agreed to its terms.",
            "Agree on its page on the hub, then log in (hf auth login) or set HF_TOKEN.",
        )
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        return UnknownModel(
            f"The hub has no model {repo}, or it is private.",
            "Check the name; for a private one log in (hf auth login) or set HF_TOKEN.",
        )
    if isinstance(error, RevisionNotFoundError):
        return UnknownModel(
            f"{repo} has no revision {revision!r}.", "Name a branch, a tag or a commit of it."
        )
    return None
