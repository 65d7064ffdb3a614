"""The prompt sets that a command names."""

from __future__ import annotations

from collections.abc import Sequence

from prompts.errors import InvalidPromptSet
from prompts.loader import load_prompt_set
from prompts.schema import PromptSet


def named_prompt_sets(names: Sequence[str], *, no_classifiers: bool) -> tuple[PromptSet, ...]:
    """Load each once; raises UnknownPromptSet, InvalidPromptSet.

    Results tell sets apart by their own names, so two that differ must not share one.
    `no_classifiers` leaves out the labels that a frame classifier scores.
    """
    by_hash = {one.sha256: one for one in map(load_prompt_set, names)}
    loaded = tuple(by_hash.values())
    if len({one.name for one in loaded}) < len(loaded):
        raise InvalidPromptSet(
            f"two of the prompt sets that differ have the same name: {', '.join(names)}.",
            "Give one of them another `name`, or use them in runs of their own.",
        )
    return tuple(one.without_classifiers() for one in loaded) if no_classifiers else loaded
