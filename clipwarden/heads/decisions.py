"""Read a file of review decisions: which label somebody accepted or rejected, and where.

JSON is a list, or an object with a list `decisions`; CSV has a column for each key::

    [{"submission": "3f2a91bc", "time_ms": 4200, "label": "weapons", "accepted": true},
     {"file": "clips/a.mp4", "time_s": 7.5, "label": "weapons", "accepted": false}]

A video is named by the id of a submission or by its file, as it was submitted. Other keys are
passed over, and so are decisions on other labels.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clipwarden.heads.errors import InvalidDecisions
from ingest.media.check import displayed_name

MAX_BYTES: Final = 64 * 1024 * 1024
_MAX_TIME_MS: Final = 1000 * 3600 * 1000
_YES: Final = ("true", "yes", "1", "accepted")
_NO: Final = ("false", "no", "0", "rejected")


@dataclass(frozen=True)
class Decision:
    """Somebody's word on one moment; exactly one of `submission` and `file` is given."""

    submission: str | None
    file: str | None
    time_us: int
    accepted: bool

    @property
    def video(self) -> str:
        """How the video was named."""
        return self.submission or self.file or ""


def read_decisions(path: Path, label: str) -> list[Decision]:
    """Read the decisions on one label; raises InvalidDecisions."""
    entries = list(_entries(path))
    found = [
        _decision(entry, f"{displayed_name(str(path))}, {place}")
        for place, entry in entries
        if entry.get("label") == label
    ]
    if not found:
        labels = sorted({str(entry["label"]) for _, entry in entries if entry.get("label")})
        raise InvalidDecisions(
            f"{displayed_name(str(path))} has no decision on {label!r}, but on "
            f"{', '.join(ascii(one[:60]) for one in labels[:8]) or 'nothing'}.",
            "Name one of them with --label.",
        )
    return found


def _entries(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    text = _text(path)
    if path.suffix.lower() == ".csv":
        rows = csv.DictReader(io.StringIO(text))
        try:
            yield from ((f"line {rows.line_num}", row) for row in rows)
        except csv.Error as error:
            raise _invalid(path, f"it is no CSV: {error}") from error
        return
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid(path, f"it is no JSON: {str(error)[:100]}") from error
    listed = content.get("decisions") if isinstance(content, dict) else content
    if not isinstance(listed, list):
        raise _invalid(path, "it has no list of decisions")
    for number, entry in enumerate(listed):
        if not isinstance(entry, dict):
            raise _invalid(path, f"[{number}] is no object")
        yield f"[{number}]", entry


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise _invalid(path, f"it is larger than {MAX_BYTES // 1024**2} MiB")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid(path, "it is not UTF-8") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _invalid(path, f"it can't be read: {reason}") from error


def _decision(entry: Mapping[str, object], place: str) -> Decision:
    submission, file = _name(entry, "submission"), _name(entry, "file")
    if (submission is None) == (file is None):
        raise InvalidDecisions(
            f"{place}: it names {'no video' if file is None else 'a video twice'}.",
            "Give it a submission's id or a file.",
        )
    return Decision(submission, file, _time_us(entry, place), _accepted(entry, place))


def _name(entry: Mapping[str, object], key: str) -> str | None:
    value = entry.get(key)
    return value if isinstance(value, str) and value else None


def _time_us(entry: Mapping[str, object], place: str) -> int:
    for key, us in (("time_ms", 1000), ("time_s", 1_000_000)):
        value = entry.get(key)
        if value is None or value == "":
            continue
        try:
            # A list or an object is no number either.
            time = float(value) if isinstance(value, str | int | float) else math.nan
        except (ValueError, OverflowError):
            time = math.nan
        if isinstance(value, bool) or not 0 <= time * us <= _MAX_TIME_MS * 1000:
            raise InvalidDecisions(
                f"{place}: {ascii(value)[:60]} is no {key}.", "Write a time from 0 on."
            )
        return round(time * us)
    raise InvalidDecisions(f"{place}: it has no time.", "Give it time_ms or time_s.")


def _accepted(entry: Mapping[str, object], place: str) -> bool:
    word = str(entry.get("accepted")).strip().lower()
    if word not in _YES + _NO:
        raise InvalidDecisions(
            f"{place}: accepted is {ascii(entry.get('accepted'))[:60]}.", "Write true or false."
        )
    return word in _YES


def _invalid(path: Path, problem: str) -> InvalidDecisions:
    return InvalidDecisions(
        f"{displayed_name(str(path))}: {problem}.",
        "Write a JSON list, or a CSV file, of submission or file, time_ms, label and accepted.",
    )
