"""Read a Dockerfile: instructions in order, with variables and continued lines put together.

What it does not understand is an error, never left out: heredocs, escapes by directive, legacy
`ENV NAME value`, and substitutions other than `$NAME`, `${NAME}` and `${NAME:-default}`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_KNOWN = frozenset(
    {"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL"}
    | {"RUN", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-([^}$]*))?\})")


class NotUnderstood(ValueError):
    """A Dockerfile says something that this reader does not know."""


@dataclass(frozen=True)
class Instruction:
    """One instruction: its keyword and all that follows it, in the words of the file."""

    line: int
    keyword: str
    rest: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.keyword} {self.rest}"

    def words(self) -> list[str]:
        """Split what follows into words, by JSON where it is an array, else as a shell does."""
        if self.rest.startswith("["):
            words = json.loads(self.rest)
            return [str(word) for word in words]
        return shlex.split(self.rest)

    def pairs(self) -> dict[str, str]:
        """Take what follows for NAME=VALUE, several of them, with quotes taken off."""
        pairs = {}
        for word in shlex.split(self.rest):
            name, equals, value = word.partition("=")
            if not equals:
                raise NotUnderstood(f"{self}: no NAME=VALUE")
            pairs[name] = value
        return pairs


def read_instructions(path: Path) -> list[Instruction]:
    """Read all instructions of a Dockerfile; raises NotUnderstood, OSError."""
    instructions = []
    for line, text in _joined_lines(path.read_text()):
        keyword, _, rest = text.partition(" ")
        if keyword.upper() not in _KNOWN:
            raise NotUnderstood(f"line {line}: unknown instruction {keyword}")
        if keyword.upper() in ("RUN", "COPY", "ADD") and "<<" in rest:
            raise NotUnderstood(f"line {line}: heredoc")
        instructions.append(Instruction(line, keyword.upper(), rest.strip()))
    return instructions


def substituted(text: str, variables: Mapping[str, str]) -> str:
    """Put variables in, an unknown one as nothing, as the builder does; raises NotUnderstood."""

    def value(found: re.Match[str]) -> str:
        return variables.get(found[1] or found[2]) or found[3] or ""

    done = _VARIABLE.sub(value, text)
    if "$" in _VARIABLE.sub("", text):
        raise NotUnderstood(f"substitution in {text}")
    return done


def _joined_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield whole instructions; comments vanish also from within a continued one."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"#\s*(escape|syntax)\s*=", line):
            raise NotUnderstood(f"line {number}: directive {line}")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        first = first if parts else number
        parts.append(line.rstrip().removesuffix("\\").strip())
        if not line.rstrip().endswith("\\"):
            yield first, " ".join(parts)
            parts = []
    if parts:
        raise NotUnderstood(f"line {first}: it ends in a continued line")
