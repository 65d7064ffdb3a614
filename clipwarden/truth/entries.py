"""One file's truth out of one JSON object."""

from __future__ import annotations

import math
from typing import Final

from clipwarden.truth.model import TruthEntry, TruthScene
from clipwarden.truth.problem import Problem, shown

MAX_SCENES: Final = 5_000
"""In one file: a film has two thousand shots."""

MAX_TAGS: Final = 100
MAX_TAG_CHARACTERS: Final = 100
MAX_NAME_CHARACTERS: Final = 4096
MAX_TIME_MS: Final = 1000 * 3600 * 1000
"""A thousand hours: what lies beyond is microseconds or frame numbers by mistake."""

NAME_KEYS: Final = ("video", "file", "source")
TAG_KEYS: Final = ("labels", "moderation", "tags")
_WHAT_KEYS = ("class", "text")
_WHAT_CHARACTERS = 80


def entry_of(content: object, place: str) -> TruthEntry:
    """Read one file's object; raises Problem."""
    if not isinstance(content, dict):
        raise Problem(place, f"an object is wanted here, not {shown(content)}", "Write {...}.")
    name_key = _first_of(content, NAME_KEYS)
    if name_key is None:
        raise Problem(place, "it names no file", f"Give it the key {_one_of(NAME_KEYS)}.")
    name = name_of(content[name_key], f"{place}.{name_key}")
    if "scenes" in content:
        return TruthEntry(name, _scenes(content["scenes"], f"{place}.scenes"), False, place)
    if _first_of(content, TAG_KEYS) is None:
        cure = "Write its scenes, or labels for all of it; [] is nothing to flag."
        raise Problem(place, "it has neither scenes nor labels", cure)
    scene = TruthScene(0, None, _tags(content, place), _hard(content, place), _what(content), place)
    return TruthEntry(name, (scene,), True, place)


def name_of(value: object, place: str) -> str:
    """Check a file's name; raises Problem."""
    if not isinstance(value, str):
        raise Problem(place, f"a file's name is wanted here, not {shown(value)}", "Quote it.")
    if not value or len(value) > MAX_NAME_CHARACTERS or not _is_encodable(value):
        cure = "Write the name as it stands in the folder."
        raise Problem(place, f"{shown(value)} is no file's name", cure)
    return value


def tags_of(value: object, place: str) -> tuple[str, ...]:
    """Check a list of labels and drop repeated ones; raises Problem."""
    if not isinstance(value, list):
        raise Problem(place, f"a list of labels is wanted here, not {shown(value)}", "Write [...].")
    if len(value) > MAX_TAGS:
        raise Problem(place, f"more than {MAX_TAGS} labels", "Name each once.")
    for number, tag in enumerate(value):
        if not isinstance(tag, str):
            where = f"{place}[{number}]"
            raise Problem(where, f"a label is wanted here, not {shown(tag)}", "Put it in quotes.")
        if not tag.strip() or len(tag) > MAX_TAG_CHARACTERS or not tag.isprintable():
            cure = f"Labels have 1 to {MAX_TAG_CHARACTERS} printable characters."
            raise Problem(f"{place}[{number}]", f"{shown(tag)} is no label", cure)
    return tuple(dict.fromkeys(tag.strip() for tag in value))


def span_us(start_ms: float, end_ms: float, place: str) -> tuple[int, int]:
    """Check a stretch of time and turn it into microseconds; raises Problem."""
    start_us, end_us = round(start_ms * 1000), round(end_ms * 1000)
    if end_us <= start_us:
        problem = f"it ends at {end_ms:g} ms, and begins at {start_ms:g} ms"
        raise Problem(place, problem, "A scene ends after it begins.")
    return start_us, end_us


def time_ms(value: float, unit: str, place: str) -> float:
    """Check a time and turn it into milliseconds; `unit` is `ms` or `s`; raises Problem."""
    limit = MAX_TIME_MS if unit == "ms" else MAX_TIME_MS / 1000
    # A whole number of the file can be too large to be compared as a float.
    if not (isinstance(value, int) or math.isfinite(value)) or not 0 <= value <= limit:
        cure = f"Write a time from 0 to {limit:.0f} {unit}, from the first shown frame on."
        raise Problem(place, f"{shown(value)} is no time in a file", cure)
    return float(value) * (1 if unit == "ms" else 1000)


def _scenes(value: object, place: str) -> tuple[TruthScene, ...]:
    if not isinstance(value, list):
        raise Problem(place, f"a list of scenes is wanted here, not {shown(value)}", "Write [...].")
    if len(value) > MAX_SCENES:
        raise Problem(place, f"more than {MAX_SCENES} scenes", "Split the video's truth.")
    return tuple(_scene(one, f"{place}[{number}]") for number, one in enumerate(value))


def _scene(content: object, place: str) -> TruthScene:
    if not isinstance(content, dict):
        raise Problem(place, f"an object is wanted here, not {shown(content)}", "Write {...}.")
    start_us, end_us = span_us(
        _time_ms(content, "start", place), _time_ms(content, "end", place), place
    )
    if _first_of(content, TAG_KEYS) is None:
        raise Problem(place, "it has no labels", "Write labels; [] is nothing to flag.")
    return TruthScene(
        start_us, end_us, _tags(content, place), _hard(content, place), _what(content), place
    )


def _time_ms(content: dict[str, object], which: str, place: str) -> float:
    units = [unit for unit in ("ms", "s") if f"{which}_{unit}" in content]
    if len(units) != 1:
        problem = f"it has both {which}_ms and {which}_s" if units else f"it has no {which}"
        raise Problem(place, problem, f"Give it one of {which}_ms and {which}_s.")
    key = f"{which}_{units[0]}"
    value = content[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        cure = "Write it without quotes."
        raise Problem(f"{place}.{key}", f"a number is wanted here, not {shown(value)}", cure)
    return time_ms(value, units[0], f"{place}.{key}")


def _tags(content: dict[str, object], place: str) -> tuple[str, ...]:
    key = _first_of(content, TAG_KEYS)
    assert key is not None
    return tags_of(content[key], f"{place}.{key}")


def _hard(content: dict[str, object], place: str) -> bool:
    value = content.get("hard", False)
    if not isinstance(value, bool):
        cure = "Write it without quotes."
        raise Problem(f"{place}.hard", f"true or false is wanted here, not {shown(value)}", cure)
    return value


def _what(content: dict[str, object]) -> str | None:
    """A description that some files have; it only helps whoever reads the mistakes."""
    for key in _WHAT_KEYS:
        value = content.get(key)
        if isinstance(value, str) and value and value.isprintable():
            return value[:_WHAT_CHARACTERS]
    return None


def _first_of(content: dict[str, object], keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if key in content), None)


def _one_of(keys: tuple[str, ...]) -> str:
    return f"{', '.join(keys[:-1])} or {keys[-1]}"


def _is_encodable(name: str) -> bool:
    """Whether a file can have the name: no NUL, and nothing that is no text."""
    return "\0" not in name and not any("\ud800" <= letter <= "\udfff" for letter in name)
