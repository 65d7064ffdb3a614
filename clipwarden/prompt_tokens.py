"""How many tokens of a text a model reads, by its own tokenizer and without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from prompts.lint import TokenLimit
from worker.errors import UnsupportedModel
from worker.models.card import ModelCard
from worker.models.folder import read_json, read_model_type

_STARTER_TOKENS_MAX: Final = 256
"""As its sentence encoder was published; `worker/encoders/sentences.py` cuts there."""
_DEFAULT_POSITIONS: Final = {"clip": 77, "siglip": 64, "vision-text-dual-encoder": 512}
"""What transformers' configuration classes have where config.json says nothing."""
_ROBERTA_UNUSED_POSITIONS: Final = 2


def token_limit_of(card: ModelCard) -> TokenLimit:
    """Return how a model counts a text's tokens, those at its ends included, and how many it reads.

    Raises UnsupportedModel where its tokenizer is kept in another form than tokenizer.json.
    """
    # Here only: one command needs it, and one option of that.
    from tokenizers import Tokenizer

    path = card.folder / "tokenizer.json"
    if not path.is_file():
        raise UnsupportedModel(
            f"{card.folder} holds no tokenizer.json, by which texts could be counted.",
            "Leave --model out for an estimate, or save the tokenizer with save_pretrained.",
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    # What the package raises has no class of its own.
    except Exception as error:
        raise UnsupportedModel(
            f"{path} can't be read as a tokenizer: {error}.", "Download the model again."
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    is_siglip = card.kind == "dual" and read_model_type(card.folder) == "siglip"

    def count(text: str) -> int:
        return len(tokenizer.encode(text.lower() if is_siglip else text).ids)

    return TokenLimit(count, _tokens_max(card), is_exact=True)


def _tokens_max(card: ModelCard) -> int:
    if card.kind == "starter":
        return _STARTER_TOKENS_MAX
    config = read_json(card.folder / "config.json")
    text_config = config.get("text_config")
    settings: dict[str, Any] = text_config if isinstance(text_config, dict) else {}
    default = _DEFAULT_POSITIONS[read_model_type(card.folder)]
    positions = _whole(settings.get("max_position_embeddings"), default)
    if "roberta" in str(settings.get("model_type", "")):
        positions -= _ROBERTA_UNUSED_POSITIONS
    return min(positions, _tokenizer_max(card.folder / "tokenizer_config.json", positions))


def _tokenizer_max(path: Path, default: int) -> int:
    if not path.is_file():
        return default
    return _whole(read_json(path).get("model_max_length"), default)


def _whole(value: object, default: int) -> int:
    """Tokenizers without a limit have one of a hundred digits, as a float."""
    return value if isinstance(value, int) and value > 0 else default
