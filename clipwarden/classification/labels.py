"""The closed list of labels that a picture is to be given one of."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence

from clipwarden.classification.errors import InvalidLabels
from clipwarden.embedding.images import read_texts
from prompts.fields import MAX_TEXT_CHARACTERS

MAX_LABELS = 20_000
"""A town's number plates; each label is one text per template to embed."""


def split_labels(words: Iterable[str]) -> list[str]:
    """Split `a,b,c`; a label with a comma stands in double quotes. Raises InvalidLabels."""
    found: list[str] = []
    for word in words:
        if any("\ud800" <= character <= "\udfff" for character in word):
            raise InvalidLabels("a label is not UTF-8.", "Set the terminal to UTF-8.")
        try:
            rows = list(csv.reader([word], skipinitialspace=True, strict=True))
        except csv.Error as error:
            raise InvalidLabels(
                f"{word[:80]!r} can't be split into labels: {error}.",
                "Write --labels 'dog,cat,\"salt, pepper\"', or use --labels-from FILE.",
            ) from error
        found += [label.strip() for row in rows for label in row]
    return [label for label in found if label]


def read_labels(lines: Iterable[bytes], name: str) -> list[str]:
    """Read a list of labels, one a line, as they stand; raises InvalidLabels."""
    try:
        return list(read_texts(lines))
    except UnicodeDecodeError as error:
        raise InvalidLabels(f"{name} is not UTF-8.", "Save it as UTF-8.") from error


def check_labels(labels: Sequence[str], *, fewest: int = 2) -> tuple[str, ...]:
    """Return labels that can be chosen from; raises InvalidLabels for any others.

    `fewest` is 1 where each label is compared with something else than the other labels.
    """
    if not labels:
        raise InvalidLabels(
            "there are no labels to choose from.", "Name some: --labels 'a dog,a cat'."
        )
    seen: set[str] = set()
    for label in labels:
        if label in seen:
            raise InvalidLabels(f"the label {label!r} is there twice.", "Name each label once.")
        seen.add(label)
        if len(label) > MAX_TEXT_CHARACTERS or not label.isprintable():
            raise InvalidLabels(
                f"the label {label[:80]!r} is too long, or no plain line.",
                f"Write at most {MAX_TEXT_CHARACTERS} characters without tabs or control "
                "characters.",
            )
    if len(labels) < fewest:
        raise InvalidLabels(
            f"{labels[0]!r} is the only label: a picture would be given it whatever it shows.",
            "Name others, or ask for it by itself: --multi --contrast 'something else'.",
        )
    if len(labels) > MAX_LABELS:
        raise InvalidLabels(
            f"{len(labels)} labels, {MAX_LABELS} are the most.", "Split the list into several runs."
        )
    return tuple(labels)
