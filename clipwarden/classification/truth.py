"""Right answers for pictures: a JSON list of `{"file", "class"}`, or a CSV file of both."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipwarden.classification.errors import InvalidAnswers
from clipwarden.embedding.images import shown_path

MAX_BYTES = 64 * 1024 * 1024
"""A million pictures take about that."""
MAX_NAME_CHARACTERS = 4096


@dataclass(frozen=True)
class Answers:
    """Paths of pictures in the file's order, and the class of each by its shown path."""

    paths: tuple[str, ...]
    class_of: dict[str, str]

    @property
    def classes(self) -> tuple[str, ...]:
        """Every class once, sorted."""
        return tuple(sorted(set(self.class_of.values())))

    def require_labels(self, labels: Sequence[str], path: Path) -> None:
        """Raise InvalidAnswers where a class is no label."""
        unknown = sorted(set(self.classes) - set(labels))
        if unknown:
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            raise InvalidAnswers(
                f"{path}: the class {unknown[0]!r}{more} is none of the labels.",
                "Leave --labels out to choose among the file's own classes, or add it to them.",
            )


def read_answers(path: Path) -> Answers:
    """Read a file of right answers; names are relative to its folder. Raises InvalidAnswers."""
    content = _read(path)
    pairs = _csv_pairs(content, path) if path.suffix.lower() == ".csv" else _pairs(content, path)
    paths: list[str] = []
    class_of: dict[str, str] = {}
    for place, name, label in pairs:
        for word, key in ((name, "file"), (label, "class")):
            if not isinstance(word, str) or not word.strip() or len(word) > MAX_NAME_CHARACTERS:
                raise _wrong(path, f"{place} has no {key}", f"Give it a {key}, a text.")
        picture = str(path.parent / str(name))
        try:
            shown = shown_path(picture)
        except (ValueError, OSError) as error:
            raise _wrong(path, f"{place} names no file", "Write its name.") from error
        if shown in class_of:
            raise _wrong(path, f"{place} names {str(name)!a} once more", "Name each file once.")
        class_of[shown] = str(label).strip()
        paths.append(picture)
    if not paths:
        raise _wrong(path, "it names no pictures", 'Write [{"file": "a.jpg", "class": "dog"}].')
    return Answers(tuple(paths), class_of)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or error
        raise _wrong(path, f"it can't be read: {reason}", "Check the path.") from error
    if len(data) > MAX_BYTES:
        raise _wrong(path, f"it is larger than {MAX_BYTES // 1024**2} MiB", "Split it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(path, "it is not UTF-8", "Save it as UTF-8.") from error


def _pairs(content: str, path: Path) -> Iterator[tuple[str, object, object]]:
    try:
        entries = json.loads(content)
    except (ValueError, RecursionError) as error:
        cure = "Name a JSON file, or a CSV file that ends in .csv."
        raise _wrong(path, f"it is no JSON: {error}", cure) from error
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        cure = 'Write [{"file": "a.jpg", "class": "dog"}].'
        raise _wrong(path, "it is no list of objects", cure)
    for number, entry in enumerate(entries, start=1):
        yield f"entry {number}", entry.get("file"), entry.get("class")


def _csv_pairs(content: str, path: Path) -> Iterator[tuple[str, object, object]]:
    rows = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    try:
        names = [name.strip() for name in rows.fieldnames or ()]
        if not {"file", "class"} <= set(names):
            raise _wrong(
                path, "its first line names no columns file and class", "Write file,class."
            )
        rows.fieldnames = names
        for row in rows:
            yield f"line {rows.line_num}", row["file"], row["class"]
    except csv.Error as error:
        raise _wrong(path, f"line {rows.line_num} is no CSV: {error}", "Correct it.") from error


def _wrong(path: Path, what: str, cure: str) -> InvalidAnswers:
    return InvalidAnswers(f"{path}: {what}.", cure)
