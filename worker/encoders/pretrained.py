"""Reading models and tokenizers from a local folder, the same way on transformers 4.55 and 5."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from packaging.version import Version
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from worker.errors import UnsupportedModel

# position_ids count 0, 1, 2 ...: older files carry them, newer networks make them themselves.
_NOT_WEIGHTS = ("position_ids",)
# What the tokenizer of the first SigLIP is built on, by the names in transformers' errors.
_SIGLIP_NEEDS = ("SentencePiece", "protobuf")


def load_network(network_class: type[Any], folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    """Load the safetensors in `folder` for inference, on the CPU, downloading nothing.

    Raises UnsupportedModel when the files can't be read or leave any weight of the network
    unset: transformers would fill it with random numbers.
    """
    with _quiet():
        try:
            network, report = network_class.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                **_dtype_option(dtype),
            )
        except Exception as error:
            raise _unreadable(folder, "weights", error) from error
    unset = sorted(_key(entry) for entry in (*report["missing_keys"], *report["mismatched_keys"]))
    unset = [key for key in unset if not key.endswith(_NOT_WEIGHTS)]
    if unset:
        raise UnsupportedModel(
            f"The weights in {folder} don't fit its config.json: {len(unset)} are missing or of "
            f"another shape, the first is {unset[0]}.",
            "Download the model again, or save it with save_pretrained from the network it is of.",
        )
    ready: PreTrainedModel = network.eval().requires_grad_(False)
    return ready


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer in `folder`; raises UnsupportedModel when there is none that works."""
    with _quiet():
        try:
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:
            if any(f"requires the {name} library" in str(error) for name in _SIGLIP_NEEDS):
                raise UnsupportedModel(
                    f"The tokenizer in {folder} needs packages that are not installed.",
                    "Install them: pip install sentencepiece protobuf",
                ) from error
            raise _unreadable(folder, "tokenizer", error) from error
    return tokenizer


def _dtype_option(dtype: torch.dtype) -> dict[str, torch.dtype]:
    """4.56 renamed `torch_dtype` to `dtype`: 4.55 fails on the new name, 5 warns of the old."""
    renamed = Version(transformers.__version__) >= Version("4.56.0")
    return {"dtype" if renamed else "torch_dtype": dtype}


def _key(entry: Any) -> str:
    return str(entry[0]) if isinstance(entry, tuple) else str(entry)


def _unreadable(folder: Path, what: str, error: Exception) -> UnsupportedModel:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = lines[0].split(". ")[0].rstrip(".")
    return UnsupportedModel(
        f"The {what} in {folder} can't be read: {reason}.",
        "Download the model again, or name another model.",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from writing progress bars and advice to the terminal while it loads."""
    verbosity = transformers_logging.get_verbosity()
    had_progress_bar = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_progress_bar:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
