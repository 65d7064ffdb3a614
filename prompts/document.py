"""Read an untrusted YAML document and remember on which line each key stands.

PyYAML's safe loader takes plain data only. On top of that a document is bounded in size and
depth, repeats no key, and uses neither aliases, a few nested lines of which expand to gigabytes,
nor explicit tags, whose values PyYAML converts without checking them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import yaml

MAX_BYTES: Final = 256 * 1024
"""Ten times the largest shipped set; PyYAML takes a second or two for it."""

MAX_DEPTH: Final = 12
"""A prompt set needs four levels; the bound keeps the parser off Python's recursion limit."""

Path = tuple[str | int, ...]


class MalformedDocument(Exception):
    """The text is no YAML, or YAML of a kind we refuse; `line` counts from 1."""

    def __init__(self, problem: str, cure: str, line: int | None, key: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.cure = cure
        self.line = line
        self.key = key


@dataclass(frozen=True)
class Document:
    """Plain data and, for each path into it, the line on which it was written."""

    content: object
    lines: dict[Path, int] = field(repr=False)

    def line(self, path: Path) -> int:
        """Return the line of a path, or of the nearest thing above it that is there."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


def parse(data: bytes) -> Document:
    """Parse one YAML document; raises MalformedDocument."""
    if len(data) > MAX_BYTES:
        problem = f"the file is larger than {MAX_BYTES // 1024} KiB"
        raise MalformedDocument(problem, "Split it into several prompt sets.", line=None)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MalformedDocument("the text is not UTF-8", "Save it as UTF-8.", line) from error
    try:
        return _compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = "not valid YAML: " + ", ".join(filter(None, (error.context, error.problem)))
        cure = "Check indentation, quotes and brackets there."
        raise MalformedDocument(problem, cure, mark.line + 1 if mark else None) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = "not valid YAML: a control character"
        raise MalformedDocument(problem, "Remove it.", line) from error
    except ValueError as error:
        # PyYAML lets these through for values that only look like dates or numbers.
        problem = f"not valid YAML: {str(error).splitlines()[0]}"
        raise MalformedDocument(problem, "Put the value in quotes.", line=None) from error


def _compose(text: str) -> Document:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise MalformedDocument("the file is empty", "Give it a name and labels.", line=1)
        lines: dict[Path, int] = {(): node.start_mark.line + 1}
        _record_lines(node, (), lines)
        return Document(content=loader.construct_document(node), lines=lines)
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """The safe loader without aliases and tags, and with bounded depth."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            problem = f"the alias *{event.anchor} is refused"
            raise MalformedDocument(problem, "Write the value out where it is used.", line)
        if getattr(event, "tag", None) is not None:
            problem = f"the tag {event.tag!a} is refused"
            raise MalformedDocument(problem, "Write the plain value.", line)
        if self._depth >= MAX_DEPTH:
            problem = f"nested deeper than {MAX_DEPTH} levels"
            raise MalformedDocument(problem, "A prompt set needs four.", line)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _record_lines(node: yaml.Node, path: Path, lines: dict[Path, int]) -> None:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            _record_lines(item, (*path, index), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, str(key.value))
            line = key.start_mark.line + 1
            if below in lines:
                cure = f"It stands on line {lines[below]} already; keep one of them."
                raise MalformedDocument("the key is there twice", cure, line, dotted(below))
            lines[below] = line
            _record_lines(value, below, lines)


def dotted(path: Path) -> str:
    """Write a path the way people point at it: `labels[3].threshold`."""
    words = [f"[{part}]" if isinstance(part, int) else f".{_shown(part)}" for part in path]
    return "".join(words).removeprefix(".")


def _shown(key: str) -> str:
    return key if key.isprintable() and len(key) <= 60 else ascii(key[:60])
