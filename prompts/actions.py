"""What is to happen with a video in which a label was found."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Action(StrEnum):
    """The four answers, in rising strength as they are written here."""

    ALLOW = "allow"
    NOTE = "note"
    REVIEW = "review"
    BLOCK = "block"

    @property
    def strength(self) -> int:
        """0 for `allow` up to 3 for `block`: the key to sort and compare by."""
        return list(Action).index(self)


def strongest(actions: Iterable[Action]) -> Action:
    """Return the action that wins where several apply: `allow` where there is none."""
    return max(actions, key=lambda action: action.strength, default=Action.ALLOW)
