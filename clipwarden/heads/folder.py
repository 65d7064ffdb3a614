"""Examples in a folder: pictures that show the label in one subfolder, others in others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clipwarden.embedding.images import Named, named_pictures, shown_path
from clipwarden.embedding.rows import Failure, Row
from clipwarden.heads.errors import ExamplesUnusable
from ingest.media.check import displayed_name

_YES: Final = ("yes", "positive", "positives", "pos")
_NO: Final = ("no", "negative", "negatives", "neg")


@dataclass(frozen=True)
class Labelled:
    """Pictures by what they show; `shows` tells of each by its shown name."""

    named: tuple[Named, ...]
    shows: dict[str, bool]


@dataclass
class Collected:
    """Takes the vectors of pictures as they are embedded."""

    rows: list[Row] = field(default_factory=list)
    batches: list[NDArray[np.float32]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def add(self, rows: Sequence[Row], vectors: NDArray[np.float32]) -> None:
        """Keep a batch."""
        self.rows += rows
        self.batches.append(vectors.copy())

    def fail(self, failure: Failure) -> None:
        """Note a picture that can't be read."""
        self.failures.append(failure)

    def finish(self) -> None:
        """Nothing: all is in memory."""

    def abandon(self) -> None:
        """Nothing was written."""

    @property
    def vectors(self) -> NDArray[np.float32]:
        """All of them, float32 `[n, d]`; there is at least one."""
        return np.concatenate(self.batches)


def labelled_pictures(folder: Path, positive: str | None, tell: Callable[[str], None]) -> Labelled:
    """Find the pictures in a folder's subfolders; `positive` names the one that shows the label.

    Without it there is one subfolder named like yes and one like no. `tell` hears what is passed
    over. Raises ExamplesUnusable.
    """
    kinds = _kinds(folder, positive)
    named: list[Named] = []
    shows: dict[str, bool] = {}
    for subfolder, is_positive in kinds:
        for one in named_pictures([str(subfolder)], tell):
            named.append(one)
            if isinstance(one, str):
                shows[shown_path(one)] = is_positive
    return Labelled(tuple(named), shows)


def _kinds(folder: Path, positive: str | None) -> list[tuple[Path, bool]]:
    try:
        inside = sorted(
            one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ExamplesUnusable(
            f"{displayed_name(str(folder))} can't be read: {reason}.", "Name a folder of examples."
        ) from error
    if positive is not None:
        kinds = [(one, one.name == positive) for one in inside]
        wanted = f"a subfolder {positive!a} and another one"
    else:
        kinds = [(one, True) for one in inside if one.name.lower() in _YES]
        kinds += [(one, False) for one in inside if one.name.lower() in _NO]
        wanted = "the subfolders yes and no"
    if len({is_positive for _, is_positive in kinds}) < 2:
        names = ", ".join(displayed_name(one.name) for one in inside[:8]) or "none"
        raise ExamplesUnusable(
            f"{displayed_name(str(folder))} needs {wanted}; its subfolders are: {names}.",
            "Put pictures that show the label into yes and others into no; or say which subfolder "
            "shows it: --positive NAME.",
        )
    return kinds
