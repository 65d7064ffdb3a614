"""Texts without what makes no difference to a reader: two that fold alike say the same."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_ARTICLES: Final = frozenset({"a", "an", "the"})
_WORD = re.compile(r"[^\W_]+")
_SHORT_PLURAL: Final = 3


def folded(text: str) -> str:
    """What is left of a prompt without case, articles, punctuation, spacing and plurals."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return " ".join(_singular(word) for word in words if word not in _ARTICLES)


def folded_name(text: str) -> str:
    """What is left of a label's name without case and punctuation."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _singular(word: str) -> str:
    """Cut a plural's ending; what is no plural is cut alike on both sides of a comparison."""
    if len(word) <= _SHORT_PLURAL or word.endswith("ss"):
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word.removesuffix("s")
