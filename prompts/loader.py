"""Load prompt sets by name or file, and say exactly what is wrong with one that is invalid."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from prompts import document
from prompts.document import Document, MalformedDocument, dotted
from prompts.errors import InvalidPromptSet, UnknownPromptSet
from prompts.examples import Example
from prompts.head_files import fill_in_heads
from prompts.label import Label
from prompts.rules import Rule
from prompts.schema import PromptSet

_SUFFIXES = (".yaml", ".yml")
_SETS = resources.files("prompts") / "sets"

_EXPLANATIONS = {
    "missing": ("the key is missing", "Add it."),
    "string_type": ("text is wanted here", "Put the value in quotes."),
    "bool_type": ("true or false is wanted here", "Write it without quotes."),
    "float_type": ("a number is wanted here", "Write it without quotes, such as 0.5."),
    "int_type": ("a whole number is wanted here", "Write it without quotes, such as 2."),
    "tuple_type": ("a list is wanted here", "Write one item per line, each after a dash."),
    "model_type": ("keys and values are wanted here", "Write them like id: weapons."),
    "string_pattern_mismatch": (
        "not of the form a name has",
        "Use lower-case words, such as weapons or weapons.firearm.",
    ),
    "too_long": ("the list is too long", "Split the set into several."),
    "string_too_short": ("the text is empty", "Write some, or remove it."),
    "string_too_long": ("the text is too long", "Shorten it."),
}
"""What is wrong and what to do about it, by pydantic's name for a type of error."""

_DEFAULT_CURE = "Correct the value."


def shipped_prompt_sets() -> tuple[str, ...]:
    """Return the names of the sets that come with the program, sorted."""
    names = (entry.name for entry in _SETS.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def load_prompt_set(name_or_path: str) -> PromptSet:
    """Load a shipped set by name, or a file: anything with a path separator or .yaml, .yml.

    Raises UnknownPromptSet where there is none, InvalidPromptSet where it can't be used.
    """
    if "/" in name_or_path or "\\" in name_or_path or name_or_path.endswith(_SUFFIXES):
        path = Path(name_or_path)
        return _parse(_read(path), name_or_path, path.parent)
    shipped = shipped_prompt_sets()
    if name_or_path not in shipped:
        near = difflib.get_close_matches(name_or_path, shipped, n=1)
        guess = f"Did you mean {near[0]}? " if near else ""
        raise UnknownPromptSet(
            f"There is no prompt set named {name_or_path!r}.",
            f"{guess}The shipped sets are {', '.join(shipped)}; "
            "a set of your own is given as a path ending in .yaml.",
        )
    resource = _SETS / f"{name_or_path}.yaml"
    return _parse(resource.read_bytes(), resource.name, None)


def _read(path: Path) -> bytes:
    if not path.exists():
        raise UnknownPromptSet(
            f"There is no prompt set file {str(path)!r}.",
            f"Check the path, or name a shipped set: {', '.join(shipped_prompt_sets())}.",
        )
    if not path.is_file():
        raise InvalidPromptSet(f"{path} is not a file.", "Give the path of one YAML file.")
    try:
        with path.open("rb") as file:
            return file.read(document.MAX_BYTES + 1)
    except OSError as error:
        raise InvalidPromptSet(
            f"{path} can't be read: {error.strerror}.", "Check the file's permissions."
        ) from error


def _parse(data: bytes, source: str, folder: Path | None) -> PromptSet:
    try:
        parsed = document.parse(data)
        fill_in_heads(parsed, folder)
    except MalformedDocument as error:
        where = _place(source, error.line, error.key)
        raise InvalidPromptSet(f"{where}: {error.problem}.", error.cure) from error
    try:
        return PromptSet.model_validate(parsed.content)
    except ValidationError as error:
        raise _invalid(error, parsed, source) from error


def _invalid(error: ValidationError, parsed: Document, source: str) -> InvalidPromptSet:
    complaints = []
    for details in error.errors(include_url=False):
        path = details["loc"] + tuple(details.get("ctx", {}).get("path", ()))
        where = _place(source, parsed.line(path), dotted(path))
        problem, cure = _explain(details)
        complaints.append((parsed.line(path), f"{where}: {problem}.", cure))
    complaints.sort(key=lambda complaint: complaint[0])
    _, message, cure = complaints[0]
    if len(complaints) > 1:
        message = f"{message[:-1]} (and {len(complaints) - 1} more)."
    lines = tuple(f"{message} {cure}" for _, message, cure in complaints)
    return InvalidPromptSet(message, cure, lines)


def _explain(details: ErrorDetails) -> tuple[str, str]:
    """Return what is wrong and what to do, for one of pydantic's errors."""
    kind = details["type"]
    if kind == "extra_forbidden":
        return "unknown key", _known_keys(details["loc"])
    if kind == "enum":
        return "unknown action", f"Write one of {details['ctx']['expected']}."
    if kind in _EXPLANATIONS:
        return _EXPLANATIONS[kind]
    message = details["msg"].removeprefix("Value error, ")
    return message[0].lower() + message[1:], _DEFAULT_CURE


def _known_keys(path: document.Path) -> str:
    models: dict[object, type[BaseModel]] = {"labels": Label, "rules": Rule, "examples": Example}
    model = models.get(path[0], PromptSet)
    fields = list(model.model_fields)
    near = difflib.get_close_matches(str(path[-1]), fields, n=1)
    return f"Did you mean {near[0]}?" if near else f"The known keys are {', '.join(fields)}."


def _place(source: str, line: int | None, key: str) -> str:
    parts = [source, f"line {line}" if line else "", key]
    return ", ".join(part for part in parts if part)
