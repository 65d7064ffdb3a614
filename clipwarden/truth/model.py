"""Truth: which labels hold in which stretch of which file, as people say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

TRUTH_SCHEMA: Final = "clipwarden.truth/1"


@dataclass(frozen=True)
class TruthScene:
    """One stretch as the file has it, in the file's own words; `place` says where it stands.

    `end_us` is None for a file that is judged as a whole. Without tags there is nothing to flag.
    """

    start_us: int
    end_us: int | None
    tags: tuple[str, ...]
    is_hard: bool
    what: str | None
    place: str


@dataclass(frozen=True)
class TruthEntry:
    """One file that the truth names; judged as a whole it has exactly one scene, without end."""

    name: str
    scenes: tuple[TruthScene, ...]
    is_whole: bool
    place: str


@dataclass(frozen=True)
class Truth:
    """A truth file; `judged` are the tags people looked for, None where they looked for all.

    `sha256` is of the file's bytes.
    """

    path: Path
    entries: tuple[TruthEntry, ...]
    judged: tuple[str, ...] | None = None
    sha256: str = ""

    @property
    def media_folder(self) -> Path:
        """Where its files are, unless somebody says otherwise."""
        return self.path.parent


@dataclass(frozen=True)
class Wanted:
    """A tag of the truth, and the labels any of which is right for it, with all below them."""

    tag: str
    labels: tuple[str, ...]

    def accepts(self, label: str) -> bool:
        """Whether finding the label is finding this."""
        return any(is_within(label, root) for root in self.labels)

    def implies(self, label: str) -> bool:
        """Whether the label is true where this is: a firearm is a weapon, whichever it is."""
        return all(is_within(root, label) for root in self.labels)

    def allows(self, label: str) -> bool:
        """Whether the label may be true where this is: some weapon may be a firearm."""
        return any(is_within(root, label) or is_within(label, root) for root in self.labels)


Verdict = Literal["positive", "negative", "unknown"]


@dataclass(frozen=True)
class Scene:
    """One stretch, in the labels of a prompt set; microseconds, `end_us` None to the end."""

    start_us: int
    end_us: int | None
    wanted: tuple[Wanted, ...]
    is_hard: bool
    what: str | None

    def verdict(self, label: str) -> Verdict:
        """What it says of a label."""
        return verdict(self.wanted, label)


@dataclass(frozen=True)
class Judged:
    """One file and what people say of it, in the labels of a prompt set."""

    index: int
    name: str
    path: Path
    scenes: tuple[Scene, ...]
    is_whole: bool


@dataclass(frozen=True)
class JudgedTruth:
    """All files of a truth; `labels` are those of the prompt set it speaks of, in its order.

    `sha256` is of the truth file's bytes.
    """

    media: tuple[Judged, ...]
    labels: tuple[str, ...]
    sha256: str = ""


def is_within(label: str, root: str) -> bool:
    """Whether a label is another or one of its children: `weapons.firearm` is, of `weapons`."""
    return label == root or label.startswith(f"{root}.")


def verdict(wanted: Iterable[Wanted], label: str) -> Verdict:
    """What wanted things say of a label: it is there, it is not, or it may be.

    It may be where the truth is wider than the label (`weapons`, of `weapons.firearm`), or leaves
    a choice between labels.
    """
    found = tuple(wanted)
    if any(one.implies(label) for one in found):
        return "positive"
    return "unknown" if any(one.allows(label) for one in found) else "negative"
