"""The prompt sets that a command names."""

from __future__ import annotations

from collections.abc import Sequence

from prompts.loader import load_prompt_set
from prompts.schema import PromptSet


def named_prompt_sets(names: Sequence[str], *, no_classifiers: bool) -> tuple[PromptSet, ...]:
    """Load each once; raises UnknownPromptSet, InvalidPromptSet.

    `no_classifiers` leaves out the labels that a frame classifier scores.
    """
    loaded = tuple(load_prompt_set(name) for name in dict.fromkeys(names))
    return tuple(one.without_classifiers() for one in loaded) if no_classifiers else loaded
