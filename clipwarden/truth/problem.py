"""What is wrong at one place of a truth file, before the file's name is put to it."""

from __future__ import annotations

_SHOWN_CHARACTERS = 60


class Problem(Exception):
    """One mistake: where it stands (`videos[3].scenes[0].end_ms`, `line 5`), what, the cure."""

    def __init__(self, place: str, what: str, cure: str) -> None:
        super().__init__(what)
        self.place = place
        self.what = what
        self.cure = cure


def shown(value: object) -> str:
    """A value from a file, fit to stand in a message: short, and without control characters."""
    if isinstance(value, str):
        text = ascii(value)
    elif isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    else:
        # A number can have thousands of digits, and Python refuses to write those.
        text = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "a huge number"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
