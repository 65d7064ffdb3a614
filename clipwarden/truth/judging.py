"""Tell a truth in the labels of a prompt set, and find the files that it names."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipwarden.truth.errors import InvalidTruth, TruthMediaMissing, UnknownTruthLabels
from clipwarden.truth.model import (
    Judged,
    JudgedTruth,
    Scene,
    Truth,
    TruthEntry,
    TruthScene,
    Wanted,
    is_within,
)
from clipwarden.truth.problem import shown
from ingest.media.check import displayed_name
from prompts.schema import PromptSet

_NAMED_AT_MOST = 8


@dataclass(frozen=True)
class Vocabulary:
    """What words of a truth mean in a prompt set.

    `mappings` gives labels to words that are none; any of several is right. `ignore_unknown` takes
    words without meaning for nothing to flag. `only` narrows the truth to some labels and those
    below them: the others are neither wanted nor wrong.
    """

    prompt_set: PromptSet
    mappings: Mapping[str, tuple[str, ...]]
    ignore_unknown: bool = False
    only: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse mappings to labels that the set has not, and such an `only`."""
        for labels in (*self.mappings.values(), self.only or ()):
            for label in labels:
                if not self._is_root(label):
                    raise UnknownTruthLabels(
                        f"prompt set {self.prompt_set.name} has no label {shown(label)}.",
                        f"Name one of {', '.join(self._close(label))}.",
                    )

    def labels_of(self, tag: str) -> tuple[str, ...]:
        """The labels that a word stands for; () for one without meaning.

        In this order: its mapping, the label of that id or the parent of some, the labels that
        have it for an alias, the nearest label above it.
        """
        if tag in self.mappings:
            return self.mappings[tag]
        if self._is_root(tag):
            return (tag,)
        labels = self.prompt_set.labels
        aliased = tuple(label.id for label in labels if tag in label.aliases)
        if aliased:
            return aliased
        above = [label.id for label in labels if is_within(tag, label.id)]
        return (max(above, key=len),) if above else ()

    def close(self, tag: str) -> str:
        """The label that a word most likely means."""
        return self._close(tag)[0]

    def covers(self, label: str) -> bool:
        """Whether the label is one of those that the truth is narrowed to."""
        return self.only is None or any(is_within(label, root) for root in self.only)

    def _is_root(self, label: str) -> bool:
        return any(is_within(one.id, label) for one in self.prompt_set.labels)

    def _close(self, word: str) -> list[str]:
        ids = [label.id for label in self.prompt_set.labels]
        return difflib.get_close_matches(word, ids, n=3, cutoff=0.3) or ids[:3]


def parse_mappings(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read `word=label,word=label` texts; a word given twice has either label.

    Raises InvalidTruth for anything else.
    """
    found: dict[str, tuple[str, ...]] = {}
    for pair in (pair for text in texts for pair in text.split(",")):
        word, equals, label = (part.strip() for part in pair.partition("="))
        if not (word and equals and label):
            raise InvalidTruth(
                f"--map: {shown(pair)} is no mapping.", "Write --map word=label, word first."
            )
        found[word] = (*found.get(word, ()), *(() if label in found.get(word, ()) else (label,)))
    return found


def judge(truth: Truth, vocabulary: Vocabulary, media_folder: Path | None = None) -> JudgedTruth:
    """Put a truth into the words of a prompt set and its files into a folder.

    The folder is by default where the truth file is; names lead nowhere out of it, through links
    neither. Raises UnknownTruthLabels that lists the words without meaning, TruthMediaMissing
    where a name leads out of the folder, or none of the files is there.
    """
    _check_words(truth, vocabulary)
    folder = truth.media_folder if media_folder is None else media_folder
    root = _resolved(folder)
    media = tuple(
        Judged(
            index=index,
            name=entry.name,
            path=_located(truth, entry, folder, root),
            scenes=tuple(_scene(scene, vocabulary) for scene in entry.scenes),
            is_whole=entry.is_whole,
        )
        for index, entry in enumerate(truth.entries)
    )
    if not any(_is_there(one.path) for one in media):
        raise TruthMediaMissing(
            f"none of the {len(media)} files that {displayed_name(str(truth.path))} names is in "
            f"{displayed_name(str(folder))}, the first is {displayed_name(media[0].name)}.",
            "Name the folder they are in: --media DIR.",
        )
    return JudgedTruth(media, _labels(truth, vocabulary), truth.sha256)


def _labels(truth: Truth, vocabulary: Vocabulary) -> tuple[str, ...]:
    """The labels that were looked for, and those below them."""
    ids = [label.id for label in vocabulary.prompt_set.labels]
    covered = [label for label in ids if vocabulary.covers(label)]
    if truth.judged is None or vocabulary.only is not None:
        return tuple(covered)
    roots = [root for tag in truth.judged for root in vocabulary.labels_of(tag)]
    return tuple(label for label in covered if any(is_within(label, root) for root in roots))


def _check_words(truth: Truth, vocabulary: Vocabulary) -> None:
    if vocabulary.ignore_unknown:
        return
    counts = Counter(
        tag for entry in truth.entries for scene in entry.scenes for tag in scene.tags
    ) + Counter(truth.judged or ())
    unknown = [(tag, count) for tag, count in counts.items() if not vocabulary.labels_of(tag)]
    if not unknown:
        return
    named = ", ".join(f"{shown(tag)} ({count})" for tag, count in unknown[:_NAMED_AT_MOST])
    more = len(unknown) - _NAMED_AT_MOST
    tag = unknown[0][0]
    raise UnknownTruthLabels(
        f"{displayed_name(str(truth.path))} has labels that prompt set "
        f"{vocabulary.prompt_set.name} does not know: {named}{f' and {more} more' * (more > 0)}.",
        f"Say what they mean, as in --map {shown(tag)[1:-1]}={vocabulary.close(tag)}; where it "
        "should find nothing for them, pass over them: --ignore-unknown.",
    )


def _scene(scene: TruthScene, vocabulary: Vocabulary) -> Scene:
    wanted = tuple(
        Wanted(tag, tuple(label for label in labels if vocabulary.covers(label)))
        for tag in scene.tags
        if any(map(vocabulary.covers, labels := vocabulary.labels_of(tag)))
    )
    return Scene(scene.start_us, scene.end_us, wanted, scene.is_hard, scene.what)


def _located(truth: Truth, entry: TruthEntry, folder: Path, root: Path) -> Path:
    path = folder / entry.name
    if not _resolved(path).is_relative_to(root):
        raise TruthMediaMissing(
            f"{displayed_name(str(truth.path))}, {entry.place}: {displayed_name(entry.name)} is "
            f"not inside {displayed_name(str(folder))}.",
            "Name a folder that holds all files, links followed: --media DIR.",
        )
    return path


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TruthMediaMissing(
            f"{displayed_name(str(path))} can't be found: {reason}.",
            "Name another folder: --media DIR.",
        ) from error
