"""Truth out of CSV: one scene per row, a row without times for a whole file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Final

from clipwarden.truth.entries import (
    MAX_SCENES,
    NAME_KEYS,
    TAG_KEYS,
    name_of,
    span_us,
    tags_of,
    time_ms,
)
from clipwarden.truth.model import TruthEntry, TruthScene
from clipwarden.truth.problem import Problem, shown
from ingest.media.check import displayed_name

_BETWEEN_TAGS = re.compile(r"[;|]")
_HARD: Final = {"": False, "0": False, "false": False, "no": False}
_HARD_TOO: Final = {"1": True, "true": True, "yes": True}
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")

Row = dict[str, str]


def entries_of_csv(text: str) -> list[TruthEntry]:
    """Read all rows, those of one file into one entry; raises Problem."""
    scenes: dict[str, list[TruthScene]] = {}
    for row, place in _rows(text):
        name = name_of(_cell(row, NAME_KEYS), f"{place}, file")
        found = scenes.setdefault(name, [])
        found.append(_scene(row, place))
        if len(found) > MAX_SCENES:
            raise Problem(place, f"more than {MAX_SCENES} rows for a file", "Split the truth.")
    return [_entry(name, found) for name, found in scenes.items()]


def _rows(text: str) -> Iterator[tuple[Row, str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns: list[str] | None = None
    try:
        for cells in reader:
            place = f"line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns([cell.strip().lower() for cell in cells], place)
                continue
            if len(cells) != len(columns):
                problem = f"{len(cells)} fields, and the first row has {len(columns)}"
                raise Problem(place, problem, "Quote fields that have commas in them.")
            yield dict(zip(columns, (cell.strip() for cell in cells), strict=True)), place
    except csv.Error as error:
        cure = "Save it as CSV with commas, and quotes around fields that have some in them."
        raise Problem(f"line {reader.line_num}", f"no valid CSV: {error}", cure) from error


def _columns(names: list[str], place: str) -> list[str]:
    cure = "The first row names the columns: file,start_ms,end_ms,labels."
    for keys in (NAME_KEYS, TAG_KEYS):
        if not any(key in names for key in keys):
            raise Problem(place, f"there is no column {keys[0]}", cure)
    for key in (*NAME_KEYS, *TAG_KEYS, "hard", "start_ms", "start_s", "end_ms", "end_s"):
        if names.count(key) > 1:
            raise Problem(place, f"there are two columns {key}", cure)
    for which in ("start", "end"):
        if f"{which}_ms" in names and f"{which}_s" in names:
            raise Problem(place, f"there are columns {which}_ms and {which}_s", cure)
    return names


def _scene(row: Row, place: str) -> TruthScene:
    tags = [tag for tag in _BETWEEN_TAGS.split(_cell(row, TAG_KEYS)) if tag.strip()]
    found = tags_of(tags, f"{place}, labels")
    start_ms, end_ms = _time_ms(row, "start", place), _time_ms(row, "end", place)
    hard = _is_hard(row, place)
    if start_ms is None and end_ms is None:
        return TruthScene(0, None, found, hard, None, place)
    if start_ms is None or end_ms is None:
        cure = "Give both times, or neither for the whole file."
        raise Problem(place, "it has one time without the other", cure)
    start_us, end_us = span_us(start_ms, end_ms, place)
    return TruthScene(start_us, end_us, found, hard, None, place)


def _time_ms(row: Row, which: str, place: str) -> float | None:
    for unit in ("ms", "s"):
        text = row.get(f"{which}_{unit}", "")
        if text:
            where = f"{place}, {which}_{unit}"
            if not _NUMBER.fullmatch(text):
                problem = f"a number is wanted here, not {shown(text)}"
                raise Problem(where, problem, "Write it like 5960 or 5.96.")
            return time_ms(float(text), unit, where)
    return None


def _is_hard(row: Row, place: str) -> bool:
    text = row.get("hard", "").lower()
    answers = _HARD | _HARD_TOO
    if text not in answers:
        problem = f"true or false is wanted here, not {shown(text)}"
        raise Problem(f"{place}, hard", problem, "Leave it empty for false.")
    return answers[text]


def _cell(row: Row, keys: tuple[str, ...]) -> str:
    return next(row[key] for key in keys if key in row)


def _entry(name: str, scenes: list[TruthScene]) -> TruthEntry:
    first = scenes[0]
    if all(scene.end_us is not None for scene in scenes):
        return TruthEntry(name, tuple(scenes), False, first.place)
    if len(scenes) > 1:
        problem = f"{displayed_name(name)} has more rows than the one without times"
        place = next(scene.place for scene in scenes if scene.end_us is None)
        raise Problem(place, problem, "Give every row of a file times, or have one row for it.")
    return TruthEntry(name, (first,), True, first.place)
