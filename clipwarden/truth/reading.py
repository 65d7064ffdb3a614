"""Read a truth file: JSON, JSON lines or CSV, from people and tools we know nothing of.

The format, `clipwarden.truth/1`. JSON is an object or a list of files::

    {"schema": "clipwarden.truth/1", "judged": ["weapons", "alcohol"], "videos": [
      {"video": "a.mp4", "scenes": [
        {"start_ms": 0, "end_ms": 5960, "labels": []},
        {"start_s": 5.96, "end_s": 10.12, "labels": ["weapons.firearm"], "hard": true}]},
      {"file": "b.mp4", "labels": ["alcohol"]}]}

    [{"file": "a.jpg", "labels": ["weapons"]}, {"file": "b.jpg", "labels": []}]

A file is named by `video`, `file` or `source`, and its labels stand under `labels`, `moderation`
or `tags`. With `scenes`, what no scene covers has nothing to flag; without, the labels are of the
whole file. `judged` (optional) tells what people looked for, where that was not everything. JSON
lines has one file per line. CSV has the columns `file`, `start_ms` and `end_ms` (or `start_s` and
`end_s`), `labels` with `;` or `|` between, and `hard` if you like: one scene per row, without times
the whole file. Other keys and columns are passed over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

from clipwarden.truth import rows
from clipwarden.truth.entries import entry_of, tags_of
from clipwarden.truth.errors import InvalidTruth
from clipwarden.truth.model import TRUTH_SCHEMA, Truth, TruthEntry
from clipwarden.truth.problem import Problem, shown
from ingest.media.check import displayed_name

MAX_BYTES: Final = 64 * 1024 * 1024
"""A hundred thousand scenes with all that tools write beside them; read as one."""

MAX_ENTRIES: Final = 100_000

_LIST_KEYS = ("videos", "pictures", "files")


def read_truth(path: Path) -> Truth:
    """Read a truth file by its suffix (.json, .jsonl, .csv); raises InvalidTruth.

    Names and labels are checked as far as the file alone tells: `judge` sees to the rest.
    """
    try:
        return _read(path)
    except Problem as problem:
        where = f", {problem.place}" if problem.place else ""
        name = displayed_name(str(path))
        raise InvalidTruth(f"{name}{where}: {problem.what}.", problem.cure) from problem


def _read(path: Path) -> Truth:
    data = _bytes(path)
    text = _text(data)
    judged = None
    match path.suffix.lower():
        case ".json":
            judged, found = _entries_of_json(_parsed(text, ""))
            entries = list(found)
        case ".jsonl" | ".ndjson":
            entries = list(_entries_of_lines(text))
        case ".csv":
            entries = rows.entries_of_csv(text)
        case _:
            raise Problem("", "the suffix tells no format", "Name it .json, .jsonl or .csv.")
    _check(entries)
    return Truth(path, tuple(entries), judged, hashlib.sha256(data).hexdigest())


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        cure = "Check that it is a file that is there and may be read."
        raise Problem("", f"it can't be read: {reason}", cure) from error
    if len(data) > MAX_BYTES:
        cure = "Split it into several truth files."
        raise Problem("", f"it is larger than {MAX_BYTES // 1024**2} MiB", cure)
    return data


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Problem(f"line {line}", "the text is not UTF-8", "Save it as UTF-8.") from error


def _parsed(text: str, place: str) -> object:
    cure = "Check it with a JSON validator."
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        where = place or f"line {error.lineno}"
        raise Problem(where, f"no valid JSON: {error.msg}", cure) from error
    except RecursionError as error:
        raise Problem(place, "it is nested too deeply", cure) from error
    except ValueError as error:
        # What looks like a number and is none that we could reckon with.
        raise Problem(place, f"no valid JSON: {error}", cure) from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} is there twice in one object")
    return found


def _entries_of_json(content: object) -> tuple[tuple[str, ...] | None, Iterator[TruthEntry]]:
    if isinstance(content, list):
        return None, (entry_of(one, f"[{n}]") for n, one in enumerate(content))
    if not isinstance(content, dict):
        raise Problem("", "neither an object nor a list of files", "Give it a list `videos`.")
    schema = content.get("schema", TRUTH_SCHEMA)
    if schema != TRUTH_SCHEMA:
        raise Problem("schema", f"it is {shown(schema)}", f"Write {TRUTH_SCHEMA!r}.")
    keys = [key for key in _LIST_KEYS if key in content]
    if not keys:
        raise Problem("", "no list of files", "Give it a list `videos`.")
    for key in keys:
        if not isinstance(content[key], list):
            raise Problem(key, f"a list is wanted here, not {shown(content[key])}", "Write [...].")
    judged = tags_of(content["judged"], "judged") if "judged" in content else None
    return judged, (
        entry_of(one, f"{key}[{n}]") for key in keys for n, one in enumerate(content[key])
    )


def _entries_of_lines(text: str) -> Iterator[TruthEntry]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            place = f"line {number}"
            yield entry_of(_parsed(line, place), place)


def _check(entries: list[TruthEntry]) -> None:
    if not entries:
        raise Problem("", "it names no file", "Give each file an entry.")
    if len(entries) > MAX_ENTRIES:
        problem = f"it names more than {MAX_ENTRIES} files"
        raise Problem("", problem, "Split it into several truth files.")
    seen: dict[str, str] = {}
    for entry in entries:
        if entry.name in seen:
            problem = f"{displayed_name(entry.name)} stands at {seen[entry.name]} already"
            raise Problem(entry.place, problem, "Put all of a file's scenes into one entry.")
        seen[entry.name] = entry.place
